// A bundle comes in as a change: checked, rehearsed on what was decided before, put in force, watched, and taken back when it does harm.

import type { CommandContext } from '../catalog/context.ts'
import type { RoomHost } from '../catalog/room.ts'
import { type Change, carryChange } from '../change/change.ts'
import { PolityError } from '../errors.ts'
import { type Gate, openGate } from '../gate/gate.ts'
import { ENFORCED } from '../gate/rollout.ts'
import type { Static, Type } from '../schema/schema.ts'
import { activate, type load, rollBack } from './actions.ts'
import { actionsOf } from './compiling.ts'
import type { InForce } from './in-force.ts'
import { REHEARSED_MAX, type Rehearsal, rehearse, requireMendable } from './rehearsing.ts'
import { bundleOfSource, type Source, sourceOf } from './source.ts'
import { ACTIVE, law } from './views.ts'

const DENIED_SHARE_MAX_PERCENT = 50
const WATCH_EVERY_MS = 1000
const REASON_MAX_CHARS = 1000

export interface LoadingPorts {
  readonly host: Pick<RoomHost, 'realm' | 'env' | 'definitions'>
  readonly inForce: () => InForce
}

type Input = Static<Type.TObject<(typeof load)['input']>>
type Output = Static<(typeof load)['output']>

export async function loadOne(ctx: CommandContext, input: Input, ports: LoadingPorts): Promise<Output> {
  const { host } = ports
  const loading = loadingOf(ctx, input, ports)
  const window = { watchMs: input.watchMs ?? 0, everyMs: WATCH_EVERY_MS }
  const about = async () => ({
    digest: loading.source.digest,
    policies: (await loading.candidate()).source.policies.size,
  })
  try {
    const { status, rehearsal, ...rest } = await carryChange(ctx, host.env, loading.change, window)
    return { status: statusOf(status, input), ...(await about()), ...rest, rehearsal }
  } catch (thrown) {
    const [owed, rehearsal] = [owedOf(thrown), loading.rehearsal()]
    if (owed === undefined || rehearsal === undefined) throw thrown
    return { status: 'suspended', ...(await about()), ...owed, rehearsal }
  }
}

function statusOf(
  status: 'changed' | 'unchanged' | 'rolled-back',
  { isRehearsalOnly }: Input,
): Output['status'] {
  if (status === 'rolled-back') return status
  if (isRehearsalOnly === true) return 'rehearsed'
  return status === 'changed' ? 'active' : status
}

/** People have to agree to the activation: it is kept for them, and comes into force when they do. */
function owedOf(thrown: unknown): Pick<Output, 'reason' | 'obligations' | 'decision'> | undefined {
  if (!(thrown instanceof PolityError) || thrown.facts.action !== activate.name) return undefined
  const { obligations, decision } = thrown.facts
  if (!Array.isArray(obligations)) return undefined
  return { reason: thrown.message, obligations: obligations.map(String), decision: String(decision) }
}

interface Loading {
  readonly source: Source
  readonly candidate: () => Promise<Gate>
  readonly change: Change<Rehearsal>
  /** Once it is known. */
  readonly rehearsal: () => Rehearsal | undefined
}

function loadingOf(ctx: CommandContext, input: Input, { host, inForce }: LoadingPorts): Loading {
  const { realm, env } = host
  const { deniedShareMaxPercent = DENIED_SHARE_MAX_PERCENT, isRehearsalOnly, isLockOutAccepted } = input
  const source = sourceOf(input.files)
  let opened: Promise<Gate> | undefined
  const candidate = () => {
    opened ??= openCandidate(source, host, inForce())
    return opened
  }
  let known: Rehearsal | undefined
  const lawNow = async () => (await realm.committed.get(law, ACTIVE))?.value
  const change: Change<Rehearsal> = {
    async validate() {
      const gate = await candidate()
      if (input.ifDigest !== undefined) requireActive(input.ifDigest, (await lawNow())?.source)
      if (isLockOutAccepted !== true) requireMendable(gate, ctx.chain, env.now())
    },
    async rehearse() {
      const against = (await lawNow())?.source
      const onProgress = (looked: number) =>
        ctx.progress({ done: looked, total: REHEARSED_MAX, note: 'rehearsing on past decisions' })
      const gate = await candidate()
      const before = inForce().gate.source
      return rehearse(host, { before, candidate: gate, against }, { signal: ctx.signal, onProgress })
    },
    isIdle(rehearsal) {
      known = rehearsal
      return isRehearsalOnly === true || rehearsal.against === source.digest
    },
    async swap({ against }) {
      const { files } = input
      await ctx.invoke(activate, { files, ...(against === undefined ? {} : { replaces: against }) })
    },
    async fault() {
      const active = await lawNow()
      // Somebody else has put others in force: what happens now is not the fault of these.
      return active?.source === source.digest ? inForce().harm(deniedShareMaxPercent) : undefined
    },
    async rollBack(_, reason) {
      await ctx.invoke(rollBack, { reason: reason.slice(0, REASON_MAX_CHARS), ifDigest: source.digest })
    },
  }
  return { source, candidate, change, rehearsal: () => known }
}

/** As it would be if everything were enforced, with the states that policies have here. */
async function openCandidate(
  source: Source,
  { definitions }: Pick<RoomHost, 'definitions'>,
  { gate }: InForce,
): Promise<Gate> {
  const { policies } = gate.rollout
  return openGate({
    bundle: await bundleOfSource(source),
    actions: actionsOf(definitions()),
    rollout: { ...ENFORCED, ...(policies === undefined ? {} : { policies }) },
  })
}

function requireActive(digest: string, active: string | undefined): void {
  if (digest === active) return
  throw new PolityError(
    'gate.rules-changed',
    'other rules are in force than you have said: look at them, and load these again',
    { active: active ?? null },
  )
}
