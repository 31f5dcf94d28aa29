// What others may know about witnesses and monitors: which logs this hub cosigns, who must cosign its own, which logs it follows, and what went wrong.

import { command, noun, Page, query } from '../catalog/definition.ts'
import { entryType, type PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Described, Integer, Timestamp, Type } from '../schema/schema.ts'

const ORIGIN_MAX_CHARS = 255
const VKEY_MAX_CHARS = 4096
/** A URL is also the key of a row. */
const URL_MAX_CHARS = 512
/** An entry has 65,535 bytes, and each character of a policy may take two of them. */
const POLICY_MAX_CHARS = 30_000
const PAGE_MAX = 1000

const Origin = Type.String({
  minLength: 1,
  maxLength: ORIGIN_MAX_CHARS,
  description: 'the origin of a log: the first line of its checkpoints',
})
const Vkey = Type.String({
  pattern: '^[^\\s]+$',
  maxLength: VKEY_MAX_CHARS,
  description: 'a verifier key: NAME+ID+KEY in one word',
})
const HttpUrl = Type.String({
  pattern: '^https?://[^\\s]+$',
  maxLength: URL_MAX_CHARS,
  description: 'an http or https URL',
})
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'how many at most' }))

export const AlertKind = Type.Union([
  Type.Literal('rollback'),
  Type.Literal('fork'),
  Type.Literal('gap'),
  Type.Literal('unknown-signer'),
  Type.Literal('bad-witness'),
  Type.Literal('witness-ahead'),
])

export const LogAdmitted = entryType('witness.log-admitted@1', {
  origin: Origin,
  vkey: Vkey,
  url: Type.Optional(HttpUrl),
})
export const LogDismissed = entryType('witness.log-dismissed@1', { origin: Origin })
/** The text of a C2SP tlog-policy. */
export const PolicySet = entryType('witness.policy-set@1', { policy: Type.String() })
export const LogFollowed = entryType('monitor.log-followed@1', { origin: Origin, url: HttpUrl, vkey: Vkey })
export const LogUnfollowed = entryType('monitor.log-unfollowed@1', { url: HttpUrl })
export const AlertRaised = entryType('log.alert-raised@1', {
  /** Origin of the log that it is about. */
  log: Origin,
  kind: AlertKind,
  detail: Type.String(),
  /** Of the checkpoint that gave rise to it. */
  size: Type.Optional(Integer),
  /** Key name of the witness that it is about. */
  witness: Type.Optional(Type.String()),
  /** Signed notes, with which an outsider can judge without believing this hub. */
  evidence: Type.Optional(Type.Array(Type.String(), { maxItems: 4 })),
})

export interface AdmittedLog {
  /** A log that changes its key is admitted under both. */
  readonly vkeys: readonly string[]
  readonly url?: string
}

/** By origin. */
export const admittedLogs = view<AdmittedLog, typeof LogAdmitted | typeof LogDismissed>('witness.logs', 1, {
  from: [LogAdmitted, LogDismissed],
  keys: ({ data }) => [data.origin],
  fold: (row, { data }) => {
    if (!('vkey' in data)) return null
    const vkeys = new Set([...(row?.value.vkeys ?? []), data.vkey])
    const url = data.url ?? row?.value.url
    return { vkeys: [...vkeys], ...(url === undefined ? {} : { url }) }
  },
})

export const POLICY_KEY = 'current'
export const policies = view<{ readonly policy: string }, typeof PolicySet>('witness.policies', 1, {
  from: [PolicySet],
  keys: () => [POLICY_KEY],
  fold: (_, { data }) => ({ policy: data.policy }),
})

export interface FollowedLog {
  readonly origin: string
  readonly url: string
  readonly vkey: string
}

/** By URL: one log may be followed through several views of it. */
export const followedLogs = view<FollowedLog, typeof LogFollowed | typeof LogUnfollowed>(
  'monitor.followed',
  1,
  {
    from: [LogFollowed, LogUnfollowed],
    keys: ({ data }) => [data.url],
    fold: (_, { data }) => ('vkey' in data ? { origin: data.origin, url: data.url, vkey: data.vkey } : null),
  },
)

/** By the id of the entry, which rises with time. */
export const alerts = view<PublicData<typeof AlertRaised> & { readonly at: string }, typeof AlertRaised>(
  'log.alerts',
  1,
  {
    from: [AlertRaised],
    keys: ({ id }) => [id],
    fold: (_, { time, data }) => ({ at: time, ...data }),
  },
)

const Admitted = noun('witness.log', {
  origin: Origin,
  vkeys: Type.Array(Vkey),
  url: Type.Optional(HttpUrl),
  /** Of the checkpoint that was cosigned last. */
  size: Integer,
})

export const admit = command('witness.admit@1', {
  summary: 'Cosigns the checkpoints of another log from now on.',
  input: { vkey: Vkey, url: Type.Optional(Described(HttpUrl, 'where that log is served')) },
  output: Closed({ origin: Origin, vkeys: Type.Array(Vkey) }),
  errors: ['witness.key', 'limit'],
  risk: 'high',
  conduct: { changes: ['policy'], reversible: true },
  effect: 'atomic',
  facts: ['vkey'],
  cli: { positional: ['vkey'] },
})

export const dismiss = command('witness.dismiss@1', {
  summary: 'Cosigns no more checkpoints of a log; what was cosigned is remembered.',
  input: { origin: Origin },
  output: Closed({ origin: Origin }),
  errors: ['not-found'],
  risk: 'high',
  conduct: { changes: ['policy'], reversible: true },
  effect: 'atomic',
  facts: ['origin'],
  cli: { positional: ['origin'] },
})

export const setPolicy = command('witness.set-policy@1', {
  summary: 'Says who must cosign the checkpoints of this log: a C2SP tlog-policy that lists it.',
  input: {
    policy: Type.String({
      minLength: 1,
      maxLength: POLICY_MAX_CHARS,
      contentMediaType: 'text/plain',
      description: 'the text of a tlog-policy',
    }),
  },
  output: Closed({ quorum: Type.String(), witnesses: Integer }),
  errors: ['witness.policy'],
  risk: 'critical',
  conduct: { changes: ['policy'], resourceClass: 'log', reversible: true },
  effect: 'atomic',
  cli: { as: 'witness policy', positional: ['policy'] },
})

const Trouble = { error: Type.Optional(Type.String()), since: Type.Optional(Timestamp) }

const Witness = noun('witness.witness', {
  name: Type.String(),
  vkey: Vkey,
  url: Type.Optional(Type.String()),
  /** Of our checkpoint that it cosigned last. */
  size: Integer,
  /** Entries that are published and not cosigned by it. */
  lag: Integer,
  at: Type.Optional(Timestamp),
  ...Trouble,
})

export const status = query('witness.status@1', {
  summary: 'Who cosigns this log, how far, and which logs this hub cosigns.',
  input: {},
  output: Closed({
    /** `alone`: nobody is asked. `pending`: what is published is not all witnessed yet. */
    state: Type.Union([Type.Literal('witnessed'), Type.Literal('pending'), Type.Literal('alone')]),
    quorum: Type.String(),
    size: Integer,
    witnessedSize: Integer,
    witnesses: Type.Array(Witness),
    /** The key with which this hub cosigns others. */
    vkey: Vkey,
    logs: Type.Array(Admitted),
  }),
})

export const follow = command('monitor.follow@1', {
  summary:
    'Follows a log and raises an alert when it is rolled back, forked, incomplete or signed by somebody else.',
  input: {
    url: Described(
      HttpUrl,
      'the URL under which /checkpoint and /tile are served, such as http://HOST:7070/log',
    ),
    vkey: Vkey,
  },
  output: Closed({ origin: Origin, url: HttpUrl }),
  errors: ['witness.key', 'limit'],
  risk: 'high',
  conduct: { changes: ['network'], reversible: true },
  effect: 'atomic',
  facts: ['url', 'vkey'],
  cli: { positional: ['url'] },
})

export const unfollow = command('monitor.unfollow@1', {
  summary: 'Follows a log no more.',
  input: { url: HttpUrl },
  output: Closed({ url: HttpUrl }),
  errors: ['not-found'],
  risk: 'high',
  effect: 'atomic',
  facts: ['url'],
  cli: { positional: ['url'] },
})

const Followed = noun('monitor.log', {
  origin: Origin,
  url: HttpUrl,
  vkey: Vkey,
  /** `alert`: what it shows contradicts what it showed, or itself. */
  state: Type.Union([
    Type.Literal('starting'),
    Type.Literal('verified'),
    Type.Literal('unreachable'),
    Type.Literal('alert'),
  ]),
  /** Entries that were verified. */
  size: Integer,
  /** `withheld`: this log shows hashes to everybody, and entries to its own people only. */
  entries: Type.Union([Type.Literal('verified'), Type.Literal('withheld'), Type.Literal('unread')]),
  at: Type.Optional(Timestamp),
  ...Trouble,
})

export const monitorStatus = query('monitor.status@1', {
  summary: 'The logs that this hub follows, and how far each was verified.',
  input: {},
  output: Page(Followed),
})

const Alert = noun('log.alert', {
  id: Type.String(),
  at: Timestamp,
  log: Type.String(),
  kind: AlertKind,
  detail: Type.String(),
  size: Type.Optional(Integer),
  witness: Type.Optional(Type.String()),
  evidence: Type.Optional(Type.Array(Type.String())),
})

export const listAlerts = query('alerts.list@1', {
  summary: 'What went wrong with logs and witnesses, newest first.',
  input: {
    after: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'go on after this alert' })),
    limit: Limit,
  },
  output: Page(Alert),
  cli: { as: 'alerts' },
})
