// Swarm Engine: agents that share what was analysed; without it, their shared files on our disk alone.

import type { AnalysisDocument } from '../analysis.ts'
import type { Service } from '../service.ts'
import { FILES, isList, isRecord, type SharedFiles } from '../shared-files.ts'

/** The last analyses that agents remember. */
export const MEMORY_LOG_MAX = 100
export const RELATIONSHIPS_MAX = 1000
const AGENT = 'MirrorWatcher'

export const swarmEngine: Service = {
  name: 'swarm_engine',
  option: 'swarmEngine',
  part: 'swarm',
  priority: 'medium',
  operation: 'integrate',
  path: '/integration/mirror',
  payload: ({ analysis, at }) => ({
    analysis_id: analysis.analysis_id,
    timestamp: at,
    summary: analysis.summary,
    integration_method: 'http',
  }),
  reference: () => FILES.agentState,
  /** The files are written for every analysis, whoever else hears of it. */
  fallback: async () => FILES.agentState,
}

/** Again for the same analysis, it changes nothing: a step may repeat after a crash. */
export async function shareAnalysis(files: SharedFiles, analysis: AnalysisDocument): Promise<void> {
  const { analysis_id, timestamp, summary, repositories } = analysis
  await files.update(FILES.agentState, isRecord, (before = {}) => ({
    ...before,
    last_analysis: timestamp,
    analysis_summary: summary,
    repositories_monitored: Object.keys(repositories).length,
    mirror_watcher_status: 'active',
  }))
  await files.update(FILES.relationships, isList, (before = []) =>
    appended(before, edgesOf(analysis), RELATIONSHIPS_MAX),
  )
  await files.update(FILES.memoryLog, isList, (before = []) =>
    before.some((each) => isRecord(each) && each.analysis_id === analysis_id)
      ? before
      : appended(before, [{ analysis_id, timestamp, summary }], MEMORY_LOG_MAX),
  )
}

const edgesOf = ({ analysis_id, statements }: AnalysisDocument): object[] => [
  { from_event: analysis_id, to_agent: AGENT, relationship: 'executed_by' },
  ...statements.map((statement) => ({
    from_event: analysis_id,
    to_event: statement,
    relationship: 'attested_by',
  })),
]

/** The newest last; what is there already is not added again. */
function appended(before: readonly unknown[], more: readonly object[], max: number): unknown[] {
  const known = new Set(before.map((each) => JSON.stringify(each)))
  return [...before, ...more.filter((each) => !known.has(JSON.stringify(each)))].slice(-max)
}
