// What can be asked of the rules: load a bundle, put it in force, take it back, say how far it binds; and what all that comes to.

import { command, paging, query } from '../catalog/definition.ts'
import { MAX_FILE_BYTES, MAX_FILES } from '../gate/bundle-files.ts'
import { Closed, Integer, Sha256, Timestamp, Type } from '../schema/schema.ts'
import { ActionName, ActionPrefix, Mode, PolicyId, Reason, RolloutForm, ShareBy, State } from './facts.ts'

const WATCH_MAX_MS = 3600_000
const WatchMs = Type.Integer({
  minimum: 0,
  maximum: WATCH_MAX_MS,
  description: 'for how many milliseconds it is watched; default 0: one look',
})
const DAYS_MAX = 366

const Files = Type.Array(
  Closed({
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*\\.cedar(schema)?$', maxLength: 128 }),
    text: Type.String({ maxLength: MAX_FILE_BYTES }),
  }),
  {
    minItems: 1,
    maxItems: MAX_FILES,
    description: 'the files of the bundle, [{name, text}]: one .cedarschema and any number of .cedar',
  },
)

const Flip = Closed({
  action: Type.String(),
  /** Effects as `enforce` would have them. */
  before: Type.String(),
  after: Type.String(),
  /** What would decide. */
  policies: Type.Array(Type.String()),
  count: Integer,
  /** A decision of this kind. */
  example: Type.String(),
})

const Rehearsal = Closed({
  /** Digest of the source that was rehearsed against. */
  against: Type.Optional(Sha256),
  /** Of the log of which the decisions are. */
  size: Type.Optional(Integer),
  /** Decisions of the past that were decided again. */
  looked: Integer,
  /** Of them: those that would come out otherwise. */
  flipped: Integer,
  /** Kinds of them, the most frequent first. */
  flips: Type.Array(Flip),
  added: Type.Array(Type.String()),
  removed: Type.Array(Type.String()),
  changed: Type.Array(Type.String()),
  /** New and changed ones that the roll-out holds in another state than they say themselves. */
  held: Type.Optional(Type.Array(Closed({ policy: Type.String(), state: State, declaredState: State }))),
})

/**
 * `high`, and not critical: what needs agreement is `gate.activate`, which it asks for once there is something to agree
 * to. Its run waits until people have answered; what they agree to comes into force then, and is watched.
 */
export const load = command('gate.load@1', {
  summary:
    'Checks a policy bundle, rehearses it on past decisions, puts it in force, watches, and takes it back if it does harm.',
  input: {
    files: Files,
    isRehearsalOnly: Type.Optional(
      Type.Boolean({ description: 'check and rehearse it only; nothing changes' }),
    ),
    watchMs: Type.Optional(WatchMs),
    ifDigest: Type.Optional(Sha256),
    deniedShareMaxPercent: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: 'take it back when more than this share of the actions asked for is denied; default 50',
      }),
    ),
    isLockOutAccepted: Type.Optional(
      Type.Boolean({ description: 'load it although it would keep you from loading another one' }),
    ),
  },
  output: Closed({
    status: Type.Union([
      Type.Literal('rehearsed'),
      Type.Literal('active'),
      Type.Literal('unchanged'),
      Type.Literal('rolled-back'),
    ]),
    /** Of the files. */
    digest: Sha256,
    policies: Integer,
    reason: Type.Optional(Type.String()),
    rehearsal: Rehearsal,
  }),
  errors: ['gate.bundle.invalid', 'gate.rules-changed', 'gate.lock-out'],
  risk: 'high',
  effect: 'idempotent',
  resource: () => 'gate/rules',
  cli: { isHidden: true },
})

const Activated = Closed({ digest: Sha256, previous: Type.Optional(Sha256), bundle: Sha256 })

export const activate = command('gate.activate@1', {
  summary: 'Puts a policy bundle in force; gate.load asks for it after a rehearsal.',
  input: {
    files: Files,
    /** The source against which it was rehearsed: if another one is in force now, it is refused. */
    replaces: Type.Optional(Sha256),
    /** Every hub counts for whoever watches, until then. */
    watchMs: Type.Optional(WatchMs),
    reason: Type.Optional(Reason),
  },
  output: Activated,
  errors: ['gate.bundle.invalid', 'gate.rules-changed'],
  risk: 'critical',
  effect: 'atomic',
  resource: () => 'gate/rules',
  cli: { isHidden: true },
})

/** `high`: what it brings back was agreed to when it came into force, and it has to work without people. */
export const rollBack = command('gate.roll-back@1', {
  summary: 'Puts the policy bundle in force again that was in force before this one.',
  input: {
    reason: Type.Optional(Reason),
    ifDigest: Type.Optional(Sha256),
  },
  output: Activated,
  errors: ['gate.no-previous', 'gate.rules-changed', 'gate.rules-lost', 'gate.bundle.invalid'],
  risk: 'high',
  effect: 'atomic',
  isReserved: true,
  resource: () => 'gate/rules',
})

export const setMode = command('gate.mode@1', {
  summary: 'Says how far the rules bind: for the hub, for some actions, for one policy, or for a share.',
  input: {
    mode: Type.Optional(Mode),
    action: Type.Optional(ActionPrefix),
    policy: Type.Optional(PolicyId),
    state: Type.Optional(State),
    share: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: 'percent of those who ask whom the rules bind; the others are not stopped',
      }),
    ),
    by: Type.Optional(ShareBy),
    seed: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'another seed chooses others; default: the one of the share in force',
      }),
    ),
    isRemoved: Type.Optional(
      Type.Boolean({
        description: 'take back what was said about the action, the policy, or (with neither) the share',
      }),
    ),
    reason: Type.Optional(Reason),
  },
  output: Closed({ before: RolloutForm, after: RolloutForm, isChanged: Type.Boolean() }),
  errors: ['not-found'],
  risk: 'critical',
  effect: 'atomic',
  isReserved: true,
  resource: () => 'gate/rollout',
  facts: ['mode', 'action', 'policy', 'state', 'share', 'by'],
  cli: { isHidden: true },
})

export const rules = query('gate.rules@1', {
  summary: 'The policies in force: what each does, in which state it is, and where it stands.',
  input: {
    policy: Type.Optional(PolicyId),
    withText: Type.Optional(Type.Boolean({ description: 'show the text of the policies, too' })),
    ...paging(PolicyId),
  },
  output: Closed({
    bundle: Sha256,
    source: Type.Optional(Sha256),
    items: Type.Array(
      Closed({
        id: Type.String(),
        state: State,
        /** What its own annotation says, where the roll-out says otherwise. */
        declaredState: Type.Optional(State),
        effect: Type.Union([Type.Literal('permit'), Type.Literal('forbid')]),
        /** It classifies: the risk is at least this where it applies. */
        risk: Type.Optional(Type.String()),
        obligation: Type.Optional(Type.String()),
        isInviolable: Type.Boolean(),
        description: Type.Optional(Type.String()),
        file: Type.String(),
        line: Integer,
        column: Integer,
        text: Type.Optional(Type.String()),
      }),
    ),
    after: Type.Optional(Type.String()),
  }),
  risk: 'low',
})

const FactWord = Type.String({ pattern: '^(string|strings|boolean|integer)\\??$' })
const ConductValue = Type.Union([Type.String(), Type.Boolean(), Integer, Type.Array(Type.String())])

export const actions = query('gate.actions@1', {
  summary: 'What can be asked for at this hub, as rules see it: risk, facts and conduct of every action.',
  input: { ...paging(ActionName) },
  output: Closed({
    items: Type.Array(
      Closed({
        name: Type.String(),
        /** Absent: nobody classified it. */
        risk: Type.Optional(Type.String()),
        /** A question mark at the end: it may be missing. */
        facts: Type.Record(Type.String(), FactWord),
        conduct: Type.Optional(Type.Record(Type.String(), ConductValue)),
      }),
    ),
    after: Type.Optional(Type.String()),
  }),
  risk: 'low',
  cli: { isHidden: true },
})

export const rollout = query('gate.rollout@1', {
  summary: 'How far the rules bind, since when, and who said so.',
  input: {},
  output: Closed({
    rollout: RolloutForm,
    bundle: Sha256,
    source: Type.Optional(Sha256),
    previous: Type.Optional(Sha256),
    rulesAt: Type.Optional(Timestamp),
    rulesBy: Type.Optional(Type.String()),
    rolloutAt: Type.Optional(Timestamp),
    rolloutBy: Type.Optional(Type.String()),
    /** Why this hub cannot follow what the log says, and therefore denies. */
    fault: Type.Optional(Type.String()),
  }),
  risk: 'low',
  cli: { isHidden: true },
})

const Groups = Type.Array(Closed({ name: Type.String(), count: Integer }))

export const graduation = query('gate.graduation@1', {
  summary: 'What the rules would have stopped and let pass: by policy, principal, action and day.',
  input: {
    days: Type.Optional(
      Type.Integer({ minimum: 1, maximum: DAYS_MAX, description: 'how many days back; default 7' }),
    ),
    /** Goes on where an answer stopped, further back. */
    before: Type.Optional(Integer),
  },
  output: Closed({
    from: Timestamp,
    to: Timestamp,
    mode: Mode,
    looked: Integer,
    denied: Integer,
    suspended: Integer,
    policies: Groups,
    principals: Groups,
    actions: Groups,
    days: Groups,
    shadow: Groups,
    /** There is more before: ask again with this. */
    before: Type.Optional(Integer),
  }),
  risk: 'high',
  cli: { isHidden: true },
})
