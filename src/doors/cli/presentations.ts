// How people read particular answers, by the name of the action or query; every other answer has the general form.

import type { Flips } from '../../kernel/decisions/what-if.ts'
import {
  answeredRemarks,
  approvalLines,
  approvalRemarks,
  approvalReport,
  approvalReportRemarks,
  brokenRemarks,
  committeeLines,
  delegationLines,
  escalationLines,
  standingLines,
  voterKeyLines,
} from './approvals.ts'
import { brokerLines, flowLines, flowRemarks, putFlowLines, setAsideLines } from './brokers.ts'
import { budgetLines, haltLines } from './budgets.ts'
import { complianceLines, deliveryReport } from './compliance.ts'
import {
  componentLines,
  componentReport,
  componentTotalLines,
  driftLines,
  driftRemarks,
  gatewayLines,
  manifestLines,
  manifestRemarks,
  planLines,
  planRemarks,
  trafficLines,
} from './components.ts'
import { configurationChangeLines } from './configuration.ts'
import {
  asideLines,
  asideRemarks,
  carriedLines,
  counterpartLines,
  counterpartRemarks,
  leftRemarks,
  retriedRemarks,
} from './counterparts.ts'
import { documentLines } from './documents.ts'
import { explanationLines } from './explanation.ts'
import { flipLines } from './flips.ts'
import { erasureReportLines, erasureReportRemarks, holdLines } from './holds.ts'
import { checkpointLines, keyLines } from './keys.ts'
import { present } from './listing.ts'
import {
  eventTypeLines,
  openedSubscriptionLines,
  parkedLines,
  parkedRemarks,
  proposalLines,
  routeLines,
  routeRemarks,
  settledRemarks,
  subscriptionLines,
  subscriptionRemarks,
  takenLines,
  takenRemarks,
} from './mesh.ts'
import { alertLines, alertRemarks, followedLines } from './monitors.ts'
import { answerLines, type Present, recordLines } from './render.ts'
import { listedRepositoryLines } from './repositories.ts'
import { repositoryReportLines } from './repository-report.ts'
import {
  graduationLines,
  graduationRemarks,
  loadLines,
  loadRemarks,
  modeLines,
  modeRemarks,
  rolloutLines,
  ruleLines,
} from './rules.ts'
import {
  journalLines,
  journalRemarks,
  replayLines,
  runLines,
  runRemarks,
  runReport,
  runReportRemarks,
} from './runs.ts'
import { procedureLines, procedureReport, scheduledLines, scheduleLines } from './schedules.ts'
import { foundLines, foundRemarks, scrollLines, versionLines } from './scrolls.ts'
import { tableLines } from './table.ts'
import { durationText, timeText } from './times.ts'
import { issuedTokenLines, issuedTokenRemarks, revokedTokenLines, tokenLines } from './tokens.ts'
import { adviceReport, trustExplanation, trustLines, trustRemarks, trustReport } from './trust.ts'
import {
  deliveryLines,
  endpointLines,
  endpointReport,
  putSourceLines,
  registeredRemarks,
  sourceLines,
  sourceRemarks,
  testedLines,
} from './webhooks.ts'
import { witnessStatusLines } from './witnesses.ts'

export interface Presentation {
  readonly lines: Present
  /** What people should know besides, on stderr; each string is escaped by whoever shows it. */
  readonly remarks?: (output: unknown) => string[]
  /** Whether `--all` shows more. */
  readonly hasMore?: boolean
}

const general: Present = (output, { width }) => answerLines(output, width)
/** What changed hands is counted; that it was nothing at all is worth a word. */
const SETTLED: Presentation = { lines: general, remarks: settledRemarks }
const RUN: Presentation = { lines: runReport, remarks: runReportRemarks, hasMore: true }
const ANSWERED: Presentation = { lines: general, remarks: answeredRemarks }
const CONFIGURED: Presentation = { lines: configurationChangeLines }

const PRESENTATIONS: Readonly<Record<string, Presentation>> = {
  'alerts.list': { lines: alertLines, remarks: alertRemarks },
  'approvals.abstain': ANSWERED,
  'approvals.approve': ANSWERED,
  'approvals.break-glass': { lines: general, remarks: brokenRemarks },
  'approvals.committees': { lines: committeeLines },
  'approvals.delegations': { lines: delegationLines },
  'approvals.deny': ANSWERED,
  'approvals.escalations': { lines: escalationLines },
  'approvals.get': { lines: approvalReport, remarks: approvalReportRemarks },
  'approvals.keys': { lines: voterKeyLines },
  'approvals.list': { lines: approvalLines, remarks: approvalRemarks },
  'approvals.standing-list': { lines: standingLines },
  'archive.list': { lines: scrollLines },
  'archive.search': { lines: foundLines, remarks: foundRemarks },
  'archive.versions': { lines: versionLines },
  'attest.list': { lines: attestationLines },
  'checkpoints.list': { lines: checkpointLines },
  'brokers.list': { lines: brokerLines, hasMore: true },
  'brokers.set-aside': { lines: setAsideLines },
  'brokers.sink-put': { lines: putFlowLines },
  'brokers.source-put': { lines: putFlowLines },
  'brokers.status': { lines: flowLines, remarks: flowRemarks },
  'budgets.list': { lines: budgetLines },
  'components.drift': { lines: driftLines, remarks: driftRemarks },
  'components.get': { lines: componentReport },
  'components.list': { lines: componentLines },
  'components.manifests': { lines: manifestLines, remarks: manifestRemarks },
  'components.plan': { lines: planLines, remarks: planRemarks },
  'components.status': { lines: componentTotalLines },
  'components.traffic': { lines: trafficLines },
  'compliance.delivery': { lines: deliveryReport },
  'compliance.report': { lines: complianceLines },
  'config.propose': CONFIGURED,
  'config.rehearse': CONFIGURED,
  'config.reload': CONFIGURED,
  'config.roll-back': CONFIGURED,
  'counterparts.analyze': { lines: carriedLines },
  'counterparts.aside': { lines: asideLines, remarks: asideRemarks },
  'counterparts.drop': { lines: general, remarks: leftRemarks },
  'counterparts.retry': { lines: general, remarks: retriedRemarks },
  'counterparts.status': { lines: counterpartLines, remarks: counterpartRemarks },
  'erasure.report': { lines: erasureReportLines, remarks: erasureReportRemarks },
  'gate.advice': { lines: adviceReport },
  'gate.graduation': { lines: graduationLines, remarks: graduationRemarks },
  'gate.load': { lines: loadLines, remarks: loadRemarks },
  'gate.mode': { lines: modeLines, remarks: modeRemarks },
  'gate.rollout': { lines: rolloutLines },
  'gate.rules': { lines: ruleLines },
  'gate.explain': { lines: explanationLines, hasMore: true },
  'gate.what-if': { lines: (flips, form) => flipLines(flips as Flips, form) },
  'gateway.request': { lines: gatewayLines },
  'halts.list': { lines: haltLines },
  health: { lines: healthLines },
  'hold.list': { lines: holdLines },
  'hub.status': { lines: statusLines, hasMore: true },
  'keys.list': { lines: keyLines },
  'mesh.ack': SETTLED,
  'mesh.extend': SETTLED,
  'mesh.inbox': { lines: takenLines, remarks: takenRemarks },
  'mesh.nack': SETTLED,
  'mesh.parked': { lines: parkedLines, remarks: parkedRemarks },
  'mesh.propose-routes': { lines: proposalLines },
  'mesh.routes': { lines: routeLines, remarks: routeRemarks },
  'mesh.subscribe': { lines: openedSubscriptionLines },
  'mesh.subscriptions': { lines: subscriptionLines, remarks: subscriptionRemarks },
  'mesh.take': { lines: takenLines, remarks: takenRemarks },
  'mesh.types': { lines: eventTypeLines },
  'mirror.repositories': { lines: (page, { width }) => listedRepositoryLines(page, width) },
  'mirror.repository': { lines: (repository, { width }) => repositoryReportLines(repository, width) },
  'monitor.status': { lines: followedLines },
  'procedures.get': { lines: procedureReport },
  'procedures.list': { lines: procedureLines },
  'procedures.retire': { lines: procedureReport },
  'runs.cancel': RUN,
  'runs.get': RUN,
  'runs.journal': { lines: journalLines, remarks: journalRemarks },
  'runs.list': { lines: runLines, remarks: runRemarks },
  'runs.pause': RUN,
  'runs.replay': { lines: replayLines },
  'runs.resolve': RUN,
  'runs.resume': RUN,
  'runs.signal': RUN,
  'schedules.list': { lines: scheduleLines },
  'schedules.put': { lines: scheduledLines },
  'state.get': { lines: documentLines },
  'state.list': { lines: documentLines },
  'state.put': { lines: documentLines },
  'token.create': { lines: issuedTokenLines, remarks: issuedTokenRemarks },
  'token.list': { lines: tokenLines },
  'token.revoke': { lines: revokedTokenLines },
  'trust.explain': { lines: trustExplanation },
  'trust.get': { lines: trustReport },
  'trust.list': { lines: trustLines, remarks: trustRemarks },
  'vault.erase': { lines: erasedLines, remarks: erasureRemarks },
  'webhooks.deliveries': { lines: deliveryLines },
  'webhooks.get': { lines: endpointReport },
  'webhooks.list': { lines: endpointLines },
  'webhooks.register': { lines: general, remarks: registeredRemarks },
  'webhooks.rotate': { lines: general, remarks: registeredRemarks },
  'webhooks.source-put': { lines: putSourceLines, remarks: sourceRemarks },
  'webhooks.sources': { lines: sourceLines },
  'webhooks.test': { lines: testedLines },
  'webhooks.update': { lines: endpointReport },
  'witness.status': { lines: witnessStatusLines },
}

/** `name` with or without its major. */
export function presentationOf(name: string): Presentation | undefined {
  const bare = name.replace(/@\d+$/, '')
  return Object.hasOwn(PRESENTATIONS, bare) ? PRESENTATIONS[bare] : undefined
}

interface ShownStatus extends Readonly<Record<string, unknown>> {
  readonly actions?: readonly unknown[]
  readonly queries?: readonly unknown[]
  readonly stages?: readonly StageReport[]
}

interface StageReport {
  readonly stage: string
  readonly status: string
  readonly reason?: string
  readonly durationMs?: number
}

const stageText = ({ stage, status, reason }: StageReport): string =>
  `${stage} ${status}${reason === undefined ? '' : ` (${reason})`}`

const MIB = 1024 * 1024
const DIGEST_SHOWN_CHARS = 'sha256:'.length + 12

function statusLines(output: unknown, { isWhole, width }: Parameters<Present>[1]): string[] {
  const { release, realm, origin, vkey, size, mode, bundle, startedAt, role, memoryRssBytes, ...rest } =
    output as ShownStatus
  const { actions = [], queries = [], stages = [] } = rest
  return recordLines({
    release,
    realm,
    entries: size,
    gate: `${String(mode)}, rules ${String(bundle).slice(0, DIGEST_SHOWN_CHARS)}…`,
    since: typeof startedAt === 'string' ? timeText(startedAt, width) : startedAt,
    ...(role === 'alone' ? {} : { role: `${String(role)} among the hubs of this log` }),
    memory: `${Math.round(Number(memoryRssBytes) / MIB)} MiB`,
    ...(stages.every(({ status }) => status === 'passed') && !isWhole
      ? {}
      : { stages: stages.map(stageText) }),
    log: origin,
    ...(isWhole
      ? { key: vkey, checkpoint: rest.checkpoint, bundle, actions, queries }
      : { catalog: `${actions.length} actions, ${queries.length} queries (--all lists them)` }),
  })
}

interface ShownHealth extends Readonly<Record<string, unknown>> {
  readonly log?: { readonly origin: string; readonly size: number }
  readonly gate?: { readonly mode: string; readonly bundle: string }
  readonly memoryRssBytes?: number
  readonly stages?: readonly StageReport[]
}

/** What a later release adds is shown as it is. */
function healthLines(output: unknown, { width }: Parameters<Present>[1]): string[] {
  const { status, release, startedAt, log, gate, memoryRssBytes, stages, ...rest } = output as ShownHealth
  return recordLines(
    present({
      status,
      release,
      since: typeof startedAt === 'string' ? timeText(startedAt, width) : startedAt,
      log: log && `${log.origin}, ${log.size} entries`,
      gate: gate && `${gate.mode}, rules ${gate.bundle.slice(0, DIGEST_SHOWN_CHARS)}…`,
      memory: memoryRssBytes && `${Math.round(memoryRssBytes / MIB)} MiB`,
      stages: stages?.map((stage) => `${stageText(stage)}${tookText(stage)}`),
      ...rest,
    }),
  )
}

const tookText = ({ durationMs }: StageReport): string =>
  durationMs === undefined ? '' : `, ${durationText(durationMs)}`

interface ShownAttestation {
  readonly statement: string
  readonly signedAt: string
  readonly subjects: number
  readonly seq: number
  readonly predicateType: string
}

const ATTESTATION_COLUMNS = [
  { title: 'statement', isWhole: true },
  { title: 'subjects', isNumeric: true },
  { title: 'signed', isOptional: true },
  { title: 'seq', isNumeric: true, isOptional: true },
  { title: 'what', isOptional: true },
] as const

function attestationLines(page: unknown, { width }: Parameters<Present>[1]): string[] {
  const { items } = page as { readonly items: readonly ShownAttestation[] }
  if (items.length === 0) return []
  return tableLines(
    ATTESTATION_COLUMNS,
    items.map(({ statement, subjects, signedAt, seq, predicateType }) =>
      [statement, subjects, signedAt, seq, predicateType].map(String),
    ),
    width,
  )
}

interface Erased {
  readonly subject: string
  readonly payloads: number
}

function erasedLines(output: unknown): string[] {
  const { subject, payloads } = output as Erased
  return recordLines({ subject, payloads: `${payloads} destroyed` })
}

/** Erasing what is not there is no failure: it is recorded, and the subject may be spelled wrongly. */
function erasureRemarks(output: unknown): string[] {
  const { subject, payloads } = output as Erased
  return payloads > 0 ? [] : [`NOTHING WAS STORED for ${subject}: is it spelled right?`]
}
