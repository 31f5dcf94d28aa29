// The two facts that a governed action leaves in the log: what was decided, and what became of it.

import { entryType } from '../log/entry.ts'
import { Closed, Committed, Integer, Json, Sha256, Type } from '../schema/schema.ts'

const Text = Type.String()
const Texts = Type.Array(Text)

/** Everything that stock cedar-wasm needs to decide the same again, or the hashes under which it is kept. */
export const ActionDecided = entryType('action.decided@1', {
  decision: Text,
  action: Text,
  resource: Text,
  risk: Text,
  effect: Text,
  wouldEffect: Type.Optional(Text),
  /** Shadow policies that, each enforced alone beside the rest, would have changed the effect. */
  shadow: Type.Optional(Texts),
  mode: Text,
  /** What of the roll-out said so, unless it was the switch of the hub: `action:PREFIX`, `share`. */
  modeBy: Type.Optional(Text),
  /** Where rules raised the risk: what the action declares, and which rules. */
  declaredRisk: Type.Optional(Text),
  raisedBy: Type.Optional(Texts),
  /** The suspended decision that people have agreed to, and that this one resumes. */
  approval: Type.Optional(Text),
  solo: Type.Boolean(),
  reasons: Texts,
  obligations: Texts,
  errors: Texts,
  sentence: Text,
  /** SHA-256 of the canonical input in its committed form: private fields are commitments. */
  inputDigest: Sha256,
  /** That form itself, unless it is long. */
  input: Type.Optional(Committed(Json)),
  bundle: Sha256,
  entities: Sha256,
  context: Json,
  requests: Json,
  engine: Json,
  run: Type.Optional(Text),
  /** Denials of the same principal, action and resource that this entry stands for. */
  count: Type.Optional(Integer),
})

export const ActionFinished = entryType('action.finished@1', {
  decision: Text,
  action: Text,
  status: Type.Union([
    Type.Literal('done'),
    Type.Literal('failed'),
    Type.Literal('unknown'),
    Type.Literal('cancelled'),
  ]),
  code: Type.Optional(Text),
  message: Type.Optional(Text),
  run: Type.Optional(Text),
  /** Of the decision, unless it is low. */
  risk: Type.Optional(Text),
  /** What a run acted on; any other outcome has it as its subject. */
  resource: Type.Optional(Text),
  /** Steps of a failed or cancelled run whose undoing failed. */
  notUndone: Type.Optional(Texts),
  /**
   * Commits the hub to the run's steps and their results, in order: HMAC-SHA-256 under a key of this run.
   * Whoever holds that key can check them; nobody else can search the digest for a result, and nobody at all
   * once the run's row, which holds half of the key, has been swept.
   */
  journal: Type.Optional(Type.String({ pattern: '^hmac-sha256:[0-9a-f]{64}$' })),
})

/** The log that a new one goes on from, after a loss: `polity recover`. */
const Predecessor = Closed({
  origin: Text,
  vkey: Text,
  /** The signed note of the largest size that is known of it. */
  checkpoint: Type.Optional(Text),
  /** Entries it is known to have had. */
  size: Integer,
  /** How many of them follow here, from entry 1 on, byte for byte. */
  survived: Integer,
  /** How many of those stand under a checkpoint of the old log whose root they meet. */
  proven: Integer,
  /** Entries that are lost: `size` less `survived`, or none. */
  gap: Integer,
})

/** Entry 0: the log's name and keys. */
export const LogOpened = entryType('log.opened@1', {
  origin: Text,
  realm: Text,
  vkey: Text,
  statementKey: Type.Object({ keyid: Text, publicKey: Text }, { additionalProperties: false }),
  release: Text,
  predecessor: Type.Optional(Predecessor),
})

/** Whoever owns the folder took the hub back, offline: `polity rescue`. The tokens that it names are revoked. */
export const HubRescued = entryType('hub.rescued@1', {
  /** Name of the operating system's user. */
  user: Text,
  reason: Type.Optional(Text),
  revoked: Texts,
})
