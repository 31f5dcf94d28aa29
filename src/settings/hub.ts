// What a hub and its doors may be told.

import { networksOf } from '../doors/http/client-address.ts'
import { setting } from '../kernel/config/setting.ts'
import { openReach } from '../kernel/egress/addresses.ts'
import { Type } from '../kernel/schema/schema.ts'
import { Names, Switch, Text } from './shapes.ts'

const PORT_MAX = 65_535
const WATCH_MAX_MS = 600_000

const Words = Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { minItems: 1, maxItems: 64 })

const LEVEL_WORDS: ReadonlyMap<string, string> = new Map([
  ['warning', 'warn'],
  ['critical', 'error'],
])
/** Python's names of levels, in the words used here. */
const levelOf = (text: string): string => LEVEL_WORDS.get(text.toLowerCase()) ?? text.toLowerCase()

const GATE_WORDS: ReadonlyMap<string, string> = new Map([
  ...['true', '1', 'yes', 'on'].map((word) => [word, 'enforce'] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, 'log-only'] as const),
])
/** A switch, in the words of modes; what is neither is refused as no mode. */
const gateModeOf = (text: string): string => GATE_WORDS.get(text.trim().toLowerCase()) ?? text

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
export const HTTP_TRUSTED_PROXIES = setting('http.trustedProxies', Names, {
  summary: 'networks (CIDR) and addresses of proxies whose `X-Forwarded-*` is believed',
  fallback: [],
  isGuarded: true,
  check: (list) => void networksOf(list),
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
    aliases: [
      {
        variable: 'ENABLE_GOVERNANCE_GATE',
        meaning: 'switch of the governance gate: false is log-only, true is enforce',
        translate: gateModeOf,
      },
    ],
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
