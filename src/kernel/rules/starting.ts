// What is in force at a start: what the log says, unless the configuration asks for something else than it did before.

import type { Definition } from '../catalog/definition.ts'
import type { RoomHost } from '../catalog/room.ts'
import { workingWrite } from '../catalog/working-rows.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { type Bundle, STARTER_DIR } from '../gate/bundle.ts'
import { readBundleFiles } from '../gate/bundle-files.ts'
import { type Gate, openGate } from '../gate/gate.ts'
import { ENFORCED } from '../gate/rollout.ts'
import type { Rollout } from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import { viewTable } from '../log/view.ts'
import { canonicalText } from '../schema/canonical.ts'
import { actionsOf, evidenceOf, namesOf } from './compiling.ts'
import { BundleActivated, RolloutChanged } from './facts.ts'
import { formOf } from './form.ts'
import { bundleOfSource, readSource, type Source, sourceOf } from './source.ts'
import { ACTIVE, type Law, law } from './views.ts'

/** What the configuration of a hub says about its rules. */
export interface RulesSettings {
  /** Folder of the bundle; absent: the starter bundle. */
  readonly policyDir?: string
  /** `enforce` unless given. */
  readonly rollout?: Rollout
}

type StartPorts = Pick<RoomHost, 'realm' | 'record' | 'onFailure'>

/** What a hub starts with. */
interface Wanted {
  readonly source: Source
  readonly rollout: Rollout
  readonly configured: NonNullable<Law['configured']>
}

interface Started {
  readonly gate: Gate
  readonly source: string
  readonly rollout: string
}

const STARTER = 'starter'
/** A folder that could not be read when somebody had started over. */
const UNREADABLE = 'unreadable'
/** Of hubs that start on one log together, each but one looks again. */
const ATTEMPTS_MAX = 8

/**
 * Reads what the configuration names while something else is waited for, so that it is known where it is read again;
 * what is wrong with it is said there.
 */
export async function readAhead({ policyDir }: Pick<RulesSettings, 'policyDir'>): Promise<void> {
  await filesOf(policyDir)
    .then(bundleOfSource)
    .catch(() => undefined)
}

/**
 * Opens the gate, and records what comes into force with it.
 *
 * Errors: `gate.bundle.invalid` with file, line and column, `gate.rules-lost`.
 */
export async function startLaw(
  ports: StartPorts,
  settings: RulesSettings,
  definitions: readonly Definition[],
): Promise<Started> {
  const { realm, record } = ports
  for (let attempt = 1; ; attempt++) {
    const { version, value } = await realm.committed.read(law, ACTIVE)
    const wanted = await wantedLaw(ports, settings, value)
    const { source, rollout } = wanted
    const gate = await openWith(await bundleFrom(source, value), actionsOf(definitions), rollout)
    const drafts = factsOfStart(value, wanted, gate.bundle)
    const started = { gate, source: source.digest, rollout: canonicalText(rollout) }
    if (drafts.length === 0) return started
    try {
      await record(
        drafts,
        {
          expect: [{ table: viewTable(law), key: ACTIVE, version }],
          rows: evidenceOf(source, gate.bundle).map(workingWrite),
        },
        { wait: 'signed' },
      )
      return started
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed' || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

/** A release may have taken away an action of which rules that were in force before speak. */
async function bundleFrom(source: Source, before: Law | undefined): Promise<Bundle> {
  try {
    return await bundleOfSource(source)
  } catch (error) {
    throw unloadable(error, source.digest === before?.source)
  }
}

const openWith: (...opened: [Bundle, ReturnType<typeof actionsOf>, Rollout]) => Promise<Gate> = async (
  bundle,
  actions,
  rollout,
) => {
  try {
    return await openGate({ bundle, actions, rollout })
  } catch (error) {
    throw unloadable(error, true)
  }
}

const RESCUE = 'to start over with the starter rules: `polity rescue --starter-rules`'

function unloadable(thrown: unknown, wasInForce: boolean): PolityError {
  const error = asPolityError(thrown)
  if (error.code !== 'gate.bundle.invalid') return error
  const hint = wasInForce ? RESCUE : `correct the files of gate.policy, or ${RESCUE}`
  return new PolityError(error.code, error.message, { ...error.facts, hint }, error)
}

/** What to start with, and what the configuration asked for. */
async function wantedLaw(
  { realm, onFailure }: Pick<StartPorts, 'realm' | 'onFailure'>,
  { policyDir, rollout = ENFORCED }: RulesSettings,
  before: Law | undefined,
): Promise<Wanted> {
  const earlier = before?.configured
  const files = await filesOf(policyDir).catch((error: unknown) => {
    if (before?.isReset === true || earlier?.policy === UNREADABLE) return undefined
    throw error
  })
  const policy = policyDir === undefined ? STARTER : (files?.digest ?? UNREADABLE)
  const configured = { policy, rollout }
  const inForce = before?.source
  // Started over: what the configuration says counts again once it says something else.
  if (before?.isReset === true) return { source: await filesOf(undefined), rollout, configured }
  if (inForce === undefined || earlier === undefined)
    return { source: files ?? (await filesOf(undefined)), rollout, configured }
  const isPolicyNew = earlier.policy !== policy
  const isRolloutNew = canonicalText(earlier.rollout) !== canonicalText(rollout)
  if (!realm.isAlone) {
    if (isPolicyNew || isRolloutNew) onFailure(shared())
    const source = await readSource(realm.reader, inForce)
    return { source, rollout: before?.rollout ?? rollout, configured: earlier }
  }
  const next = isRolloutNew ? { ...before?.rollout, ...rollout } : (before?.rollout ?? rollout)
  // The starter bundle of another release is the one in force, unless somebody has loaded another one.
  const isStarter = policy === STARTER && before?.isConfigured === true
  const source =
    files !== undefined && (isPolicyNew || isStarter) ? files : await readSource(realm.reader, inForce)
  return { source, rollout: next, configured }
}

/** Throws `gate.bundle.invalid` for a folder that cannot be read: what a hub is told to go by has to be there. */
async function filesOf(dir: string | undefined): Promise<Source> {
  try {
    return sourceOf(await readBundleFiles(dir ?? STARTER_DIR))
  } catch (error) {
    throw unloadable(error, false)
  }
}

const shared = (): PolityError =>
  new PolityError(
    'config.shared',
    'several hubs share this log, and gate.policy or gate.mode of this one says something else than was in force first: use `polity gate load` and `polity gate mode`, which hold for all of them',
  )

/** Nothing, where all of it was in force before. */
function factsOfStart(
  before: Law | undefined,
  { source, rollout, configured }: Wanted,
  bundle: Bundle,
): Draft[] {
  const { source: replaced, previous } = before ?? {}
  const isSame =
    replaced === source.digest &&
    before?.bundle === bundle.digest &&
    canonicalText(before.configured ?? null) === canonicalText(configured)
  // Of a first start the configuration says it all.
  const rolloutBefore = before?.rollout ?? configured.rollout
  const isRolloutSame = canonicalText(rolloutBefore) === canonicalText(rollout)
  // A roll-back leads to what was in force before, whatever put this in force.
  const back = replaced === source.digest ? previous : replaced
  const activated = BundleActivated(
    {
      bundle: bundle.digest,
      ...namesOf(bundle),
      mode: rollout.mode,
      source: source.digest,
      ...(back === undefined ? {} : { previous: back }),
      ...(replaced === undefined ? {} : { replaced }),
      cause: 'started',
      configured: { policy: configured.policy, rollout: formOf(configured.rollout) },
    },
    { subject: 'gate' },
  )
  const changed = RolloutChanged(
    { before: formOf(rolloutBefore), after: formOf(rollout), cause: 'started' },
    { subject: 'gate' },
  )
  return [...(isSame && isRolloutSame ? [] : [activated]), ...(isRolloutSame ? [] : [changed])]
}
