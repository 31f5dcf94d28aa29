// Every setting of this program: what a hub and its doors may be told, by a file, a variable or a flag.

import type { ForeignKey } from './kernel/config/document.ts'
import { type Setting, setting, settingTable } from './kernel/config/setting.ts'
import { openReach } from './kernel/egress/addresses.ts'
import { Described, Secret, Type } from './kernel/schema/schema.ts'
import { parseCopies } from './modules/archive/copies.ts'

const PORT_MAX = 65_535
const WATCH_MAX_MS = 600_000

const Text = (description: string) => Described(Type.String({ minLength: 1, maxLength: 4096 }), description)
const Words = Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { minItems: 1, maxItems: 64 })
const Names = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 256 })
const Switch = Type.Boolean()

const LEVEL_WORDS: ReadonlyMap<string, string> = new Map([
  ['warning', 'warn'],
  ['critical', 'error'],
])
/** Python's names of levels, in the words used here. */
const levelOf = (text: string): string => LEVEL_WORDS.get(text.toLowerCase()) ?? text.toLowerCase()

export const DATA = setting('data', Text('a folder'), {
  summary: 'folder of the hub: keys, log, cache',
  fallback: '.polity',
  flag: 'data',
  aliases: [{ variable: 'MNO_DATA_DIR', meaning: 'data folder of the Auto-Monitor' }],
  reload: 'restart',
})
export const ENVIRONMENT = setting('environment', Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), {
  summary: 'picks an overlay: `config/environments/NAME.json` or `.yaml`, beside the configuration file',
  unset: 'no overlay',
  reload: 'restart',
})
export const STORE = setting('store', Text('postgres://… or a reference to it'), {
  summary: 'database that holds the log, as `postgres://…`, or a reference (`env:`, `file:`) to its URL',
  unset: 'the folder',
  flag: 'store',
  isGuarded: true,
  reload: 'restart',
})
export const HTTP_HOST = setting('http.host', Text('an address'), {
  summary: 'address to listen on',
  fallback: '127.0.0.1',
  flag: 'host',
  formerly: 'POLITY_HOST',
  isGuarded: true,
  reload: 'restart',
})
export const HTTP_PORT = setting('http.port', Type.Integer({ minimum: 0, maximum: PORT_MAX }), {
  summary: 'port to listen on; 0: any free one',
  fallback: 7070,
  flag: 'port',
  formerly: 'POLITY_PORT',
  aliases: [{ variable: 'PROMETHEUS_PORT', meaning: 'port of the planning API (there 8006)' }],
  reload: 'restart',
})
export const LOG_LEVEL = setting(
  'log.level',
  Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')]),
  {
    summary: 'how much goes to stderr: debug, info, warn or error',
    fallback: 'warn',
    flag: 'logLevel',
    aliases: [
      {
        variable: 'MNO_LOG_LEVEL',
        meaning: 'log level of the Auto-Monitor (there INFO)',
        translate: levelOf,
      },
      { variable: 'AEGIS_LOG_LEVEL', meaning: 'log level of an AEGIS node', translate: levelOf },
    ],
    reload: 'live',
  },
)
export const LOG_PUBLIC = setting('log.public', Switch, {
  summary: 'entries and proofs for everybody, without a token',
  fallback: false,
  flag: 'publicLog',
  isGuarded: true,
  reload: 'restart',
})
export const LOG_ANCHOR = setting('log.anchor', Text('a path'), {
  summary: 'file outside of the data that remembers what was signed',
  unset: 'a file in `$XDG_STATE_HOME/polity/anchors`',
  flag: 'anchor',
  isGuarded: true,
  reload: 'restart',
})
export const SIGNER_COMMAND = setting('signer.command', Words, {
  summary: 'program that holds the signing key: its path, then its words (docs/keys.md)',
  unset: 'the key is a file in the data folder',
  flag: 'signerCommand',
  isJsonText: true,
  isGuarded: true,
  reload: 'restart',
})
export const SIGNER_KEY = setting('signer.key', Text('a key'), {
  summary: 'its public key: base64 of 32 bytes, or a verifier key of the log',
  unset: 'needed with `signer.command`',
  flag: 'signerKey',
  isGuarded: true,
  reload: 'restart',
})
export const SIGNER_ML_DSA = setting('signer.mlDsa', Switch, {
  summary: 'retained checkpoints are cosigned with ML-DSA-44 too',
  fallback: false,
  flag: 'mlDsa',
  formerly: 'POLITY_ML_DSA',
  reload: 'restart',
})
export const TIMESTAMP_URL = setting('timestamp.url', Text('a URL'), {
  summary: 'authority that stamps retained checkpoints (RFC 3161)',
  unset: 'no timestamps',
  flag: 'timestampUrl',
  isGuarded: true,
  reload: 'restart',
})
export const TIMESTAMP_CA = setting('timestamp.ca', Text('a path'), {
  summary: 'file with the certificates (PEM) of that authority',
  unset: 'needed with `timestamp.url`',
  flag: 'timestampCa',
  isGuarded: true,
  reload: 'restart',
})
export const GATE_POLICY = setting('gate.policy', Text('a folder'), {
  summary: 'folder of the policy bundle',
  unset: 'the starter bundle',
  flag: 'policy',
  isGuarded: true,
  reload: 'restart',
})
export const GATE_MODE = setting(
  'gate.mode',
  Type.Union([Type.Literal('log-only'), Type.Literal('enforce-critical'), Type.Literal('enforce')]),
  {
    summary:
      'what a denial does: nothing (log-only), stop critical actions (enforce-critical), stop all (enforce)',
    fallback: 'enforce',
    isGuarded: true,
    reload: 'restart',
  },
)
export const EGRESS_ALLOW = setting('egress.allow', Names, {
  summary: 'networks (CIDR) and host names that the hub may speak to although they are inside',
  fallback: [],
  isGuarded: true,
  check: (list) => void openReach(list),
  reload: 'live',
})
export const MIRROR_AT_START = setting('mirror.atStart', Switch, {
  summary: 'analyses the repository in which the hub was started',
  fallback: true,
  flag: 'mirror',
  reload: 'restart',
})
export const ARCHIVE_COPIES = setting('archive.copies', Names, {
  summary: 'where copies of archived versions live: folders and `s3://BUCKET/PREFIX?region=…&endpoint=…`',
  unset: 'two folders of the hub',
  check: (list) => void parseCopies(list.join(',')),
  isGuarded: true,
  reload: 'restart',
})
export const ARCHIVE_SEARCH = setting('archive.search', Text('postgres://… or a reference to it'), {
  summary: 'PostgreSQL for the search index, as `postgres://…`, or a reference (`env:`, `file:`) to its URL',
  unset: 'a file of the hub',
  isGuarded: true,
  reload: 'restart',
})
export const ARCHIVE_ACCESS_KEY = setting('archive.accessKeyId', Secret(), {
  summary: 'key id for copies in S3',
  fallback: 'env:AWS_ACCESS_KEY_ID',
  isGuarded: true,
  reload: 'restart',
})
export const ARCHIVE_SECRET_KEY = setting('archive.secretAccessKey', Secret(), {
  summary: 'secret key for copies in S3',
  fallback: 'env:AWS_SECRET_ACCESS_KEY',
  isGuarded: true,
  reload: 'restart',
})
export const ARCHIVE_SESSION_TOKEN = setting('archive.sessionToken', Secret(), {
  summary: 'session token for copies in S3, where the keys need one',
  fallback: 'env:AWS_SESSION_TOKEN',
  isGuarded: true,
  reload: 'restart',
})
export const CONFIG_WATCH_MS = setting(
  'config.watchMs',
  Type.Integer({ minimum: 0, maximum: WATCH_MAX_MS }),
  {
    summary:
      'for how many milliseconds a changed configuration is watched, and taken back if the hub is not well',
    fallback: 5000,
    reload: 'live',
  },
)
export const CONFIG_FOLLOW = setting('config.follow', Switch, {
  summary: 'takes changes of configuration files by itself; SIGHUP does so in any case',
  fallback: true,
  reload: 'restart',
})

const ALL: readonly Setting[] = [
  DATA,
  ENVIRONMENT,
  STORE,
  HTTP_HOST,
  HTTP_PORT,
  LOG_LEVEL,
  LOG_PUBLIC,
  LOG_ANCHOR,
  SIGNER_COMMAND,
  SIGNER_KEY,
  SIGNER_ML_DSA,
  TIMESTAMP_URL,
  TIMESTAMP_CA,
  GATE_POLICY,
  GATE_MODE,
  EGRESS_ALLOW,
  MIRROR_AT_START,
  ARCHIVE_COPIES,
  ARCHIVE_SEARCH,
  ARCHIVE_ACCESS_KEY,
  ARCHIVE_SECRET_KEY,
  ARCHIVE_SESSION_TOKEN,
  CONFIG_WATCH_MS,
  CONFIG_FOLLOW,
]

export const SETTINGS = settingTable(ALL)

const foreign = (service: string, ...keys: readonly string[]): readonly ForeignKey[] =>
  keys.map((key) => ({ path: `${service}.${key}` }))

/** Keys of the environment files of the Triune ecosystem, which an overlay may hold as they are. */
export const FOREIGN_KEYS: readonly ForeignKey[] = [
  ...foreign(
    'legio_cognito',
    'endpoint',
    'authentication',
    'features.auto_archive',
    'features.search_indexing',
    'features.version_control',
    'features.retention_policy',
  ),
  ...foreign(
    'triumvirate_monitor',
    'endpoint',
    'features.real_time_updates',
    'features.mobile_push',
    'features.alert_thresholds.health_score_minimum',
    'features.alert_thresholds.security_critical',
    'features.alert_thresholds.error_rate_maximum',
    'features.dashboard_refresh',
  ),
  ...foreign(
    'swarm_engine',
    'integration_mode',
    'compatibility',
    'shared_modules',
    'memory_sharing',
    'event_streaming',
  ),
  ...foreign(
    'shadowscrolls',
    'endpoint',
    'verification_level',
    'attestation_mode',
    'signature_algorithm',
    'local_fallback',
  ),
]
