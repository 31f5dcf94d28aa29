// Handlers that put rules in force and take them back: pure functions from the law to facts, done when the gate has taken over.

import type { CommandContext } from '../catalog/context.ts'
import type { RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Bundle } from '../gate/bundle.ts'
import type { Fields, Static, Type } from '../schema/schema.ts'
import type { activate, rollBack, setMode } from './actions.ts'
import { compile, evidenceOf, namesOf } from './compiling.ts'
import { BundleActivated, RolloutChanged } from './facts.ts'
import { formOf } from './form.ts'
import type { InForce } from './in-force.ts'
import { changedRollout } from './rollout-change.ts'
import { readSource, type Source, sourceOf } from './source.ts'
import { ACTIVE, type Law, law, sources } from './views.ts'

export interface ActivatingPorts {
  readonly host: Pick<RoomHost, 'realm' | 'definitions'>
  readonly inForce: () => InForce
}

type InputOf<D extends { readonly input: Fields }> = Static<Type.TObject<D['input']>>

interface Activated {
  digest: string
  bundle: string
  previous?: string
}

/** What was rehearsed was rehearsed against something: if that is not in force any more, the answer counts for nothing. */
export async function activateOne(
  ctx: CommandContext,
  { files, replaces, watchMs, reason }: InputOf<typeof activate>,
  ports: ActivatingPorts,
): Promise<Activated> {
  const before = await lawOf(ctx)
  if (replaces !== undefined) requireActive(before, replaces)
  const source = sourceOf(files)
  const previous = before.source === source.digest ? before.previous : before.source
  return putInForce(ctx, ports, { before, source, previous, cause: 'loaded', reason, watchMs })
}

export async function rollBackOne(
  ctx: CommandContext,
  { reason, ifDigest }: InputOf<typeof rollBack>,
  ports: ActivatingPorts,
): Promise<Activated> {
  const before = await lawOf(ctx)
  if (ifDigest !== undefined) requireActive(before, ifDigest)
  if (before.previous === undefined)
    throw new PolityError(
      'gate.no-previous',
      'no other rules were in force before these: load a bundle with `polity gate load DIR`',
    )
  const source = await readSource(ports.host.realm.reader, before.previous)
  const previous = (await ctx.get(sources, source.digest))?.value.previous
  return putInForce(ctx, ports, { before, source, previous, cause: 'rolled-back', reason })
}

interface Activation {
  readonly before: Law
  readonly source: Source
  readonly previous: string | undefined
  readonly cause: 'loaded' | 'rolled-back'
  readonly reason: string | undefined
  readonly watchMs?: number | undefined
}

async function putInForce(
  ctx: CommandContext,
  { host, inForce }: ActivatingPorts,
  { before, source, previous, cause, reason, watchMs }: Activation,
): Promise<Activated> {
  const { rollout } = before
  const bundle: Bundle = await compile(source, host.definitions(), rollout ?? {})
  ctx.record(
    BundleActivated(
      {
        bundle: bundle.digest,
        ...namesOf(bundle),
        mode: inForce().gate.rollout.mode,
        source: source.digest,
        ...(previous === undefined ? {} : { previous }),
        ...(before.source === undefined ? {} : { replaced: before.source }),
        cause,
        ...(reason === undefined ? {} : { reason }),
        ...(watchMs === undefined ? {} : { watchMs }),
      },
      { subject: 'gate' },
    ),
  )
  ctx.rows.write(...evidenceOf(source, bundle))
  ctx.onCommitted(() => void inForce().refresh())
  const output = { digest: source.digest, bundle: bundle.digest }
  return previous === undefined ? output : { ...output, previous }
}

/** The change is decided under the roll-out before it, and under that alone: the row is an expectation. */
export async function setModeOne(
  ctx: CommandContext,
  { reason, ...change }: InputOf<typeof setMode>,
  { inForce }: ActivatingPorts,
): Promise<{ before: ReturnType<typeof formOf>; after: ReturnType<typeof formOf>; isChanged: boolean }> {
  const { rollout: inLog } = await lawOf(ctx)
  const before = inLog ?? inForce().gate.rollout
  const { policy, isRemoved } = change
  if (policy !== undefined && isRemoved !== true && !inForce().gate.source.policies.has(policy))
    throw new PolityError('not-found', `no policy in force has the id ${policy}`, { policy })
  const after = changedRollout(before, change, ctx.id)
  const forms = { before: formOf(before), after: formOf(after) }
  if (JSON.stringify(forms.before) === JSON.stringify(forms.after)) return { ...forms, isChanged: false }
  ctx.record(
    RolloutChanged(
      { ...forms, cause: 'changed', ...(reason === undefined ? {} : { reason }) },
      { subject: 'gate' },
    ),
  )
  ctx.onCommitted(() => void inForce().refresh())
  return { ...forms, isChanged: true }
}

const lawOf = async (ctx: Pick<CommandContext, 'get'>): Promise<Law> =>
  (await ctx.get(law, ACTIVE))?.value ?? { isConfigured: false, isReset: false }

function requireActive({ source }: Law, digest: string): void {
  if (source === digest) return
  throw new PolityError(
    'gate.rules-changed',
    'other rules were put in force meanwhile: load these again, which rehearses them against what is in force now',
    { active: source ?? null },
  )
}
