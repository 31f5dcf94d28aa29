// The flow of one run: analyse, then attest, archive, show and share, each by its service or in its place here.

import { hash } from 'node:crypto'
import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { CallResult, Counterpart } from '../../kernel/counterpart/counterpart.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { canonicalize } from '../../kit/canonical-json.ts'
import { DEGRADATION_FORMULA, degradationOf, type GroupMember } from '../../kit/degradation.ts'
import { analyze as analyzeRepositories } from '../mirror/contract.ts'
import { type AnalysisDocument, documentOf } from './analysis.ts'
import type { Connections } from './connections.ts'
import { type analyze, MirrorAnalysisCompleted } from './contract.ts'
import type { Service, Work } from './service.ts'
import { SERVICE_LIST } from './services.ts'
import type { SharedFiles } from './shared-files.ts'
import { shareAnalysis } from './swarm-engine/swarm-engine.ts'

export interface FlowPorts {
  readonly host: ModuleHost
  readonly connections: Connections
  readonly files: SharedFiles
}

type Input = Static<typeof analyze.schema>
type Output = Static<typeof analyze.output>
type Part = Output['archive']

export async function carryAnalysis(ctx: CommandContext, input: Input, ports: FlowPorts): Promise<Output> {
  const outcome = await ctx.invoke(analyzeRepositories, input)
  const analysis = await ctx.step('document', () =>
    documentOf(ctx, outcome, { analysisId: ctx.id, timestamp: ctx.now }),
  )
  const work = await workOf(ctx, analysis, ports)
  const parts = await ctx.parallel('services', {
    attestation: (scope) => partOf(scope, 'attestation', work, ports),
    archive: (scope) => partOf(scope, 'archive', work, ports),
    dashboard: (scope) => partOf(scope, 'dashboard', work, ports),
    swarm: (scope) => sharedPart(scope, work, ports),
  })
  const degradation = degradationIn(parts)
  ctx.record(
    MirrorAnalysisCompleted(
      { analysis: inShort(analysis), ...parts, ...degradation },
      { subject: `analysis/${ctx.id}` },
    ),
  )
  return { analysis, ...parts, ...degradation }
}

async function workOf(
  ctx: CommandContext,
  analysis: AnalysisDocument,
  { host, files }: FlowPorts,
): Promise<Work> {
  const atMs = await ctx.step('time', () => host.env.now())
  return {
    analysis,
    at: new Date(atMs).toISOString(),
    durationMs: Math.max(0, atMs - Date.parse(ctx.now)),
    host,
    files,
  }
}

/** The agents' files are ours to write, whether their engine hears of it or not. */
async function sharedPart(scope: CommandContext, work: Work, ports: FlowPorts): Promise<Part> {
  const failure = await scope.step('share', async () => {
    try {
      await shareAnalysis(ports.files, work.analysis)
      return null
    } catch (error) {
      const { code } = asPolityError(error)
      ports.host.onFailure(asPolityError(error))
      return code
    }
  })
  const part = await partOf(scope, 'swarm', work, ports)
  return failure === null || part.outcome === 'remote' ? part : { ...part, outcome: 'lost', code: failure }
}

/** Whether a service is on is decided in the step: a run goes on as it began, whatever the configuration says by then. */
async function partOf(
  scope: CommandContext,
  part: Service['part'],
  work: Work,
  ports: FlowPorts,
): Promise<Part> {
  const service = SERVICE_LIST.find((each) => each.part === part)
  if (service === undefined) throw new PolityError('internal', `no service makes the ${part}`)
  const counterpart = ports.connections.get(service.name)
  const result = await scope.step('ask', ({ signal }) => ask(counterpart, service, work, signal))
  if (result.outcome === 'off') return fallenBack(scope, service, work, ports, 'local', {})
  if (result.outcome === 'remote') return { outcome: 'remote', reference: result.value, isKept: false }
  const made = await fallenBack(scope, service, work, ports, 'fallback', {
    code: result.failure.code,
    isKept: result.isKept,
  })
  counterpart?.noteFallback(made.outcome === 'fallback')
  return made
}

const OFF = { outcome: 'off' } as const

async function ask(
  counterpart: Counterpart | undefined,
  service: Service,
  work: Work,
  signal: AbortSignal,
): Promise<CallResult<string> | typeof OFF> {
  if (counterpart === undefined) return OFF
  return counterpart.call({
    operation: service.operation,
    path: service.path,
    body: service.payload(work),
    key: `${work.analysis.analysis_id}/${service.operation}`,
    isKept: true,
    read: service.reference,
    signal,
  })
}

/** A fallback that fails loses this part of the work, and no other. */
async function fallenBack(
  scope: CommandContext,
  service: Service,
  work: Work,
  { host }: FlowPorts,
  outcome: 'local' | 'fallback',
  { code, isKept = false }: { readonly code?: string; readonly isKept?: boolean },
): Promise<Part> {
  try {
    const reference = await service.fallback(scope, work)
    return { outcome, reference, isKept, ...(code === undefined ? {} : { code }) }
  } catch (error) {
    scope.signal.throwIfAborted()
    host.onFailure(asPolityError(error))
    return { outcome: 'lost', code: code ?? asPolityError(error).code, isKept }
  }
}

const STANDINGS = { remote: 'well', local: 'well', fallback: 'degraded', lost: 'lost' } as const

function degradationIn(
  parts: Readonly<Record<Service['part'], Part>>,
): Pick<Output, 'degradationLevel' | 'degradationFormula' | 'degradationReason'> {
  const group = SERVICE_LIST.map(({ name, priority, part }): GroupMember => {
    return { name, priority, standing: STANDINGS[parts[part].outcome] }
  })
  const { level, reason } = degradationOf(group)
  return { degradationLevel: level, degradationFormula: DEGRADATION_FORMULA, degradationReason: reason }
}

const inShort = (analysis: AnalysisDocument) => ({
  analysisId: analysis.analysis_id,
  digest: `sha256:${hash('sha256', canonicalize(analysis), 'hex')}`,
  analyzed: analysis.summary.analyzed,
  failed: analysis.summary.failed,
  averageHealth: analysis.summary.average_health_score,
  statements: [...analysis.statements],
})
