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
import { REHEARSED_MAX, type Rehearsal, rehearse, rehearsedSince, requireMendable } from './rehearsing.ts'
import { bundleOfSource, type Source, sourceOf } from './source.ts'
import { ACTIVE, law } from './views.ts'
import { harmIn } from './watching.ts'

const DENIED_SHARE_MAX_PERCENT = 50
export const WATCH_EVERY_MS = 1000
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
  const { status, rehearsal, ...rest } = await carryChange(ctx, host.env, loading.change, window)
  const policies = (await loading.candidate()).source.policies.size
  return { status: statusOf(status, input), digest: loading.source.digest, policies, ...rest, rehearsal }
}

function statusOf(
  status: 'changed' | 'unchanged' | 'rolled-back',
  { isRehearsalOnly }: Input,
): Output['status'] {
  if (status === 'rolled-back') return status
  if (isRehearsalOnly === true) return 'rehearsed'
  return status === 'changed' ? 'active' : status
}

interface Loading {
  readonly source: Source
  readonly candidate: () => Promise<Gate>
  readonly change: Change<Rehearsal>
}

function loadingOf(ctx: CommandContext, input: Input, { host, inForce }: LoadingPorts): Loading {
  const { realm, env } = host
  const { deniedShareMaxPercent = DENIED_SHARE_MAX_PERCENT, isRehearsalOnly, isLockOutAccepted } = input
  const { watchMs = 0 } = input
  const source = sourceOf(input.files)
  let opened: Promise<Gate> | undefined
  const candidate = () => {
    opened ??= openCandidate(source, host, inForce())
    return opened
  }
  const lawNow = async () => (await realm.committed.get(law, ACTIVE))?.value
  const onProgress = (looked: number) =>
    ctx.progress({ done: looked, total: REHEARSED_MAX, note: 'rehearsing on past decisions' })
  const change: Change<Rehearsal> = {
    async validate() {
      const gate = await candidate()
      if (input.ifDigest !== undefined) requireActive(input.ifDigest, (await lawNow())?.source)
      if (isLockOutAccepted !== true) requireMendable(gate, ctx.chain, env.now())
    },
    async rehearse() {
      const against = (await lawNow())?.source
      const gate = await candidate()
      const before = inForce().gate.source
      return rehearse(host, { before, candidate: gate, against }, { signal: ctx.signal, onProgress })
    },
    isIdle: (rehearsal) => isRehearsalOnly === true || rehearsal.against === source.digest,
    async swap({ against }) {
      const { files } = input
      await ctx.invoke(activate, {
        files,
        ...(against === undefined ? {} : { replaces: against }),
        ...(watchMs === 0 ? {} : { watchMs }),
      })
    },
    async rehearseSince(rehearsal, { signal }) {
      const active = await lawNow()
      if (active?.source !== source.digest || active.seq === undefined) return rehearsal
      const since = { rehearsal, candidate: await candidate(), toSeq: active.seq }
      return rehearsedSince(host, since, { signal, onProgress })
    },
    async fault() {
      const active = await lawNow()
      // Somebody else has put others in force: what happens now is not the fault of these.
      if (active?.source !== source.digest) return undefined
      return harmIn(await inForce().counts.look(), deniedShareMaxPercent)
    },
    async rollBack(_, reason) {
      await ctx.invoke(rollBack, { reason: reason.slice(0, REASON_MAX_CHARS), ifDigest: source.digest })
    },
  }
  return { source, candidate, change }
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
