// Triumvirate Monitor: a dashboard outside; without it, the same update as a file that a local one can read.

import { alertsOf } from '../alerts.ts'
import type { AnalysisSummary } from '../analysis.ts'
import type { Service, Work } from '../service.ts'
import { FILES, isRecord } from '../shared-files.ts'

export const triumvirateMonitor: Service = {
  name: 'triumvirate_monitor',
  option: 'triumvirateMonitor',
  part: 'dashboard',
  priority: 'low',
  operation: 'update',
  path: '/dashboard/updates',
  payload: updateOf,
  reference: () => FILES.status,
  async fallback(scope, work) {
    await scope.step('current status', () =>
      work.files.update(FILES.status, isRecord, () => ({ dashboard_update: updateOf(work) })),
    )
    return FILES.status
  },
}

/** A status in words beside every number, so that nobody has to know the thresholds. */
function updateOf({ analysis: { summary }, at, durationMs }: Work) {
  return {
    timestamp: at,
    metrics: {
      repositories_analyzed: summary.analyzed,
      average_health_score: summary.average_health_score,
      security_status: summary.overall_security,
      /** Seconds. */
      last_execution_time: Math.round(durationMs) / 1000,
      trend_analysis: { health_score_trend: summary.average_health_change },
    },
    status_indicators: {
      overall_health: healthWord(summary),
      system_performance: summary.failed === 0 ? 'healthy' : 'degraded',
      security_posture: summary.overall_security,
    },
    alerts: alertsOf(summary).map((alert) => ({ ...alert, timestamp: at, category: 'mirror_watcher' })),
  }
}

/** 70 raises an alert, 60 is critical. */
function healthWord({ average_health_score: health }: AnalysisSummary): string {
  if (health === null) return 'unknown'
  return health >= 70 ? 'healthy' : health >= 60 ? 'degraded' : 'critical'
}
