// The contracts from which commands are derived, and the words that lead to them. Contracts need a schema library,
// so they are loaded only when such a word is typed; this table is all that help and typing errors need.

export type Contract = Readonly<Record<string, unknown>>
type Load = () => Promise<Contract>

const approvals: Load = () => import('../../kernel/approvals/contract.ts')
const archive: Load = () => import('../../modules/archive/contract.ts')
const attest: Load = () => import('../../modules/attest/contract.ts')
const brokers: Load = () => import('../../modules/brokers/contract.ts')
const budgets: Load = () => import('../../kernel/budgets/contract.ts')
const compliance: Load = () => import('../../modules/compliance/contract.ts')
const components: Load = () => import('../../modules/components/contract.ts')
const keys: Load = () => import('../../kernel/keys/contract.ts')
const counterparts: Load = () => import('../../modules/counterparts/contract.ts')
const config: Load = () => import('../../kernel/config/contract.ts')
const halts: Load = () => import('../../kernel/halts/contract.ts')
const decisions: Load = () => import('../../kernel/decisions/contract.ts')
const identity: Load = () => import('../../kernel/identity/contract.ts')
const mesh: Load = () => import('../../modules/mesh/contract.ts')
const mirror: Load = () => import('../../modules/mirror/contract.ts')
const outside: Load = () => import('../../kernel/outside/contract.ts')
const procedures: Load = () => import('../../modules/procedures/contract.ts')
const retention: Load = () => import('../../kernel/retention/contract.ts')
const rules: Load = () => import('../../kernel/rules/contract.ts')
const runs: Load = () => import('../../kernel/runs/contract.ts')
const schedules: Load = () => import('../../modules/schedules/contract.ts')
const state: Load = () => import('../../modules/state/contract.ts')
const system: Load = () => import('../../kernel/system/contract.ts')
const trust: Load = async () => ({
  ...(await import('../../kernel/trust/contract.ts')),
  ...(await import('../../kernel/fusion/contract.ts')),
})
const webhooks: Load = () => import('../../modules/webhooks/contract.ts')
const witness: Load = () => import('../../kernel/witness/contract.ts')

export interface DerivedWord {
  /** The first word of commands: an area, or a command of its own. */
  readonly word: string
  readonly summary: string
  readonly load: Load
}

export const DERIVED: readonly DerivedWord[] = [
  { word: 'alerts', summary: 'What went wrong with logs and witnesses, newest first.', load: witness },
  {
    word: 'archive',
    summary: 'Write-once scrolls: preserve, get, search, retain, hold, scrub.',
    load: archive,
  },
  { word: 'attest', summary: 'Attestations: sign, verify, list, export.', load: attest },
  {
    word: 'brokers',
    summary: 'NATS JetStream and Redis Streams: sinks that are sent events, sources from which they come.',
    load: brokers,
  },
  { word: 'budgets', summary: 'How much may be used, and what is left: put, list, remove.', load: budgets },
  {
    word: 'components',
    summary: 'Who is there and how they are: list, get, register, renew, plan, drift, traffic.',
    load: components,
  },
  {
    word: 'erase',
    summary: 'Destroys the private payloads of a subject for ever; the log and its proofs stay valid.',
    load: system,
  },
  {
    word: 'counterparts',
    summary: 'Services outside: carry an analysis to them, status, sync, what they did not take.',
    load: counterparts,
  },
  { word: 'decision', summary: 'Decides again what was decided, from what the log keeps.', load: retention },
  { word: 'erasure', summary: 'What erasing a subject destroyed, or would destroy.', load: retention },
  { word: 'gateway', summary: 'Where the gateway would send a request: request.', load: components },
  {
    word: 'kill',
    summary: 'Stops a principal at once: nothing is permitted in which it takes part, and its runs are held.',
    load: halts,
  },
  {
    word: 'quarantine',
    summary: 'Stops a principal as a kill does, but it may still ask queries of low risk.',
    load: halts,
  },
  {
    word: 'halts',
    summary: 'Who is stopped: kill, quarantine, release, list.',
    load: halts,
  },
  { word: 'hold', summary: 'Legal holds: place, release, list.', load: retention },
  { word: 'keys', summary: 'Signing keys: list, rotate, retire; retained checkpoints.', load: keys },
  {
    word: 'mesh',
    summary: 'Events: publish, subscribe, take, send, request, routes.',
    load: mesh,
  },
  { word: 'monitor', summary: 'Logs that this hub watches: follow, unfollow, status.', load: witness },
  {
    word: 'outside',
    summary: 'Decisions for other programs: act, check, get, report.',
    load: outside,
  },
  {
    word: 'procedures',
    summary: 'Runs declared as data: define, start, list, get, retire.',
    load: procedures,
  },
  {
    word: 'prune',
    summary: 'Removes entries that are older than the policy and under no hold.',
    load: retention,
  },
  {
    word: 'report',
    summary: 'Lead time, change-failure rate and time to restore, from the log.',
    load: compliance,
  },
  { word: 'retention', summary: 'For how long entries stay: show, set.', load: retention },
  {
    word: 'runs',
    summary: 'Runs: list, get, journal, replay; pause, resume, cancel, signal, resolve.',
    load: runs,
  },
  {
    word: 'schedules',
    summary: 'Actions at times: put, list, trigger, remove.',
    load: schedules,
  },
  {
    word: 'sign-in',
    summary: 'Makes a single-use link that signs a browser in as the caller.',
    load: identity,
  },
  { word: 'state', summary: 'Versioned JSON documents: put, get, list.', load: state },
  { word: 'status', summary: 'The hub at a glance.', load: system },
  { word: 'token', summary: 'Tokens: create, list, revoke.', load: identity },
  {
    word: 'trust',
    summary:
      'Who is trusted with what: get, list, explain, report, alert, override, lift; advice about an act.',
    load: trust,
  },
  {
    word: 'webhooks',
    summary: 'Endpoints that are sent events, and sources from which they come.',
    load: webhooks,
  },
  { word: 'witness', summary: 'Who cosigns this log, and which logs it cosigns.', load: witness },
]

/** Written by hand; what else their areas offer stands under them. */
export const DERIVED_BELOW: Readonly<
  Record<'approvals' | 'compliance' | 'config' | 'gate' | 'mirror', Load>
> = {
  approvals,
  compliance,
  config,
  gate: async () => ({ ...(await rules()), ...(await decisions()) }),
  mirror,
}

export const loadContracts = (): Promise<Contract[]> =>
  Promise.all([
    approvals(),
    archive(),
    attest(),
    brokers(),
    budgets(),
    compliance(),
    components(),
    config(),
    counterparts(),
    decisions(),
    halts(),
    identity(),
    keys(),
    mesh(),
    outside(),
    procedures(),
    schedules(),
    mirror(),
    retention(),
    rules(),
    runs(),
    state(),
    system(),
    trust(),
    webhooks(),
    witness(),
  ])
