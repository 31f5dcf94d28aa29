// What each service's folder holds: where it goes, what is sent, what an answer means, and what is done without it.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { Priority } from '../../kit/degradation.ts'
import type { AnalysisDocument } from './analysis.ts'
import type { ServiceName } from './contract.ts'
import type { SharedFiles } from './shared-files.ts'

export interface Service {
  readonly name: ServiceName
  readonly option: 'shadowScrolls' | 'legioCognito' | 'triumvirateMonitor' | 'swarmEngine'
  /** Which part of the result it makes. */
  readonly part: 'attestation' | 'archive' | 'dashboard' | 'swarm'
  readonly priority: Priority
  readonly operation: string
  readonly path: string
  /** JSON without anything private. */
  payload(work: Work): unknown
  /** What the service calls the work, from its answer; throws for an answer that is none. */
  reference(answer: unknown): string
  /** The work, done here; answers what it is called. */
  fallback(scope: CommandContext, work: Work): Promise<string>
}

export interface Work {
  readonly analysis: AnalysisDocument
  /** RFC 3339; when the work was ready to be sent. */
  readonly at: string
  /** Of the analysis, until then. */
  readonly durationMs: number
  readonly host: Pick<ModuleHost, 'statementSigner' | 'log'>
  readonly files: SharedFiles
}
