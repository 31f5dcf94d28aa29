// What in an analysis somebody should look at, by the services' thresholds.

import type { AnalysisSummary } from './analysis.ts'

/** `health_score_minimum`. */
const HEALTH_MIN = 70

export interface AnalysisAlert {
  readonly type: 'health' | 'security' | 'failure'
  readonly severity: 'medium' | 'high'
  readonly title: string
  readonly message: string
}

export function alertsOf({
  average_health_score: health,
  overall_security: security,
  failed,
}: AnalysisSummary): AnalysisAlert[] {
  const alerts: AnalysisAlert[] = []
  if (health !== null && health < HEALTH_MIN)
    alerts.push({
      type: 'health',
      severity: 'medium',
      title: 'Health is low',
      message: `the average health is ${health}, below ${HEALTH_MIN}`,
    })
  if (security === 'needs_attention')
    alerts.push({
      type: 'security',
      severity: 'high',
      title: 'Security needs attention',
      message: 'at least one repository has a security grade below B',
    })
  if (failed > 0)
    alerts.push({
      type: 'failure',
      severity: 'high',
      title: 'Repositories could not be analysed',
      message: `${failed} could not be analysed`,
    })
  return alerts
}
