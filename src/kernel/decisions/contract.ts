// What can be asked about decisions that were made: to explain one, to judge all of them again, and what other rules would have said.

import { noun, query } from '../catalog/definition.ts'
import { face } from '../catalog/face.ts'
import { MAX_FILES } from '../gate/bundle-files.ts'
import { Closed, Integer, Json, Timestamp, Type } from '../schema/schema.ts'

/** Decisions of one answer; whoever asks goes on behind the last of them. */
export const PAGE_DECISIONS_MAX = 2000
export const PAGE_DECISIONS = 500
const FLIPS_MAX = 500

/** What the rules of then say of the weight of one of them; undefined where they say nothing, or are not kept. */
export const severities = face<{ of(bundle: string, policy: string): Promise<string | undefined> }>(
  'decisions.severities',
)

const Text = Type.String()
const Texts = Type.Array(Text)
const Effect = Type.Union([Type.Literal('allow'), Type.Literal('suspended'), Type.Literal('denied')])

const period = {
  /** The first time that counts, and the first that does not any more. */
  from: Type.Optional(Timestamp),
  to: Type.Optional(Timestamp),
  after: Type.Optional(Type.Integer({ minimum: 0, description: 'go on behind this entry' })),
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: PAGE_DECISIONS_MAX,
      description: `how many decisions at most; default ${PAGE_DECISIONS}`,
    }),
  ),
}

const page = {
  /** Entries of the log as it is published: how far `after` can come. */
  size: Integer,
  /** Go on behind this entry; absent at the end of the log. */
  after: Type.Optional(Integer),
}

const ChangeKind = Type.Union([
  Type.Literal('approval'),
  Type.Literal('rule'),
  Type.Literal('role'),
  Type.Literal('fact'),
])
const changed = {
  approvals: Type.Optional(Texts),
  policy: Type.Optional(Text),
  role: Type.Optional(Text),
  principal: Type.Optional(Text),
  fact: Type.Optional(Text),
  before: Type.Optional(Json),
  after: Type.Optional(Json),
  direction: Type.Optional(Text),
}

export const Explanation = noun('Explanation', {
  seq: Integer,
  decision: Text,
  time: Timestamp,
  actor: Text,
  action: Text,
  resource: Text,
  effect: Effect,
  /** What the rules say where the mode let something else be. */
  wouldEffect: Type.Optional(Effect),
  sentence: Text,
  mode: Text,
  /** What of the roll-out said so: `hub`, `action:PREFIX` or `share`. */
  modeBy: Text,
  risk: Text,
  declaredRisk: Text,
  raisedBy: Texts,
  shadow: Texts,
  solo: Type.Boolean(),
  errors: Texts,
  bundle: Text,
  approvals: Closed({ owed: Texts, given: Texts }),
  /** The suspended decision that this one resumes. */
  approval: Type.Optional(Text),
  run: Type.Optional(Text),
  count: Integer,
  rules: Type.Array(
    Closed({
      id: Text,
      part: Type.Union([
        Type.Literal('decides'),
        Type.Literal('raises the risk'),
        Type.Literal('stands in the shadow'),
      ]),
      effect: Text,
      text: Text,
      description: Type.Optional(Text),
      obligation: Type.Optional(Text),
      /** `file:line:column`, as long as the rule is in force as it was then. */
      place: Type.Optional(Text),
      /** What its conditions look at; without `value` it was not stated. */
      facts: Type.Array(Closed({ fact: Text, value: Type.Optional(Json) })),
    }),
  ),
  /** What else could have been, and the effect that it would have had: tried, not guessed. */
  changes: Type.Array(
    Closed({
      kind: Type.Union([ChangeKind, Type.Literal('pair')]),
      what: Text,
      effect: Effect,
      ...changed,
      /** Two changes of which neither is enough without the other; tried where no single one is. */
      both: Type.Optional(Type.Array(Closed({ kind: ChangeKind, what: Text, ...changed }))),
    }),
  ),
  /** How often it was judged again: with one change, and with two at once. */
  tried: Type.Optional(Closed({ singles: Integer, pairs: Integer })),
  /** Why there is no more to say. */
  remark: Type.Optional(Text),
})

export const explain = query('gate.explain@1', {
  summary: 'Why a decision came out as it did: which rule, which fact, and what would have changed it.',
  input: {
    decision: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'id of the decision, or number of its entry',
    }),
  },
  output: Explanation,
  errors: ['not-found'],
  risk: 'high',
  cli: { positional: ['decision'] },
})

export const replay = query('gate.replay@1', {
  summary: 'Judges decisions again from what was stored, and names the first that does not agree.',
  input: period,
  output: Closed({
    agreed: Integer,
    /** Decisions of which private inputs were erased: `inputs-erased`. */
    erased: Integer,
    difference: Type.Optional(
      Closed({
        seq: Integer,
        decision: Text,
        time: Timestamp,
        action: Text,
        what: Text,
        recorded: Text,
        replayed: Text,
      }),
    ),
    ...page,
  }),
  risk: 'high',
  cli: { isHidden: true },
})

const Counted = Closed({ name: Text, stopped: Integer, passed: Integer })

export const whatIf = query('gate.what-if@1', {
  summary: 'Which decisions would have come out otherwise under other rules.',
  input: {
    files: Type.Array(Closed({ name: Type.String({ minLength: 1, maxLength: 256 }), text: Type.String() }), {
      minItems: 1,
      maxItems: MAX_FILES,
      description: 'the files of the rules',
    }),
    ...period,
  },
  output: Closed({
    looked: Integer,
    skipped: Integer,
    flipped: Integer,
    flips: Type.Array(
      Closed({
        seq: Integer,
        decision: Text,
        time: Timestamp,
        actor: Text,
        action: Text,
        resource: Text,
        before: Effect,
        after: Effect,
        reasons: Texts,
        nowReasons: Texts,
        obligations: Texts,
        count: Integer,
      }),
      { maxItems: FLIPS_MAX },
    ),
    byPolicy: Type.Array(Counted),
    byActor: Type.Array(Counted),
    byAction: Type.Array(Counted),
    ...page,
  }),
  errors: ['gate.bundle.invalid'],
  risk: 'high',
  cli: { isHidden: true },
})
