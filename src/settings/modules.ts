// What the modules that come along may be told.

import { parseAccess } from '../kernel/broker/access.ts'
import { setting } from '../kernel/config/setting.ts'
import { PolityError } from '../kernel/errors.ts'
import { Secret, Type } from '../kernel/schema/schema.ts'
import { parseCopies } from '../modules/archive/copies.ts'
import { parseConnections } from '../modules/brokers/settings.ts'
import { Count, Duration, Names, Switch, Text } from './shapes.ts'

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

export const COMPONENTS_ALLOW = setting('components.allow', Names, {
  summary: 'networks (CIDR) and addresses where components may live',
  unset: 'this machine',
  isGuarded: true,
  reload: 'restart',
})
export const COMPONENTS_MASS_LOSS_MS = setting('components.massLossMs', Duration(0), {
  summary: 'for how many milliseconds a loss of many components is taken for the fault of the hub itself',
  unset: '5 minutes',
  reload: 'live',
})
export const GATEWAY_CONNECT_MS = setting('components.gateway.connectMs', Duration(1), {
  summary: 'milliseconds until a connection to a component stands',
  unset: '5 s',
  reload: 'live',
})
export const GATEWAY_HEAD_MS = setting('components.gateway.headMs', Duration(1), {
  summary: 'milliseconds from the end of a request until the head of its answer is there',
  unset: '60 s',
  reload: 'live',
})
export const GATEWAY_IDLE_MS = setting('components.gateway.idleMs', Duration(1), {
  summary: 'milliseconds of silence in a body or a WebSocket',
  unset: '5 minutes',
  reload: 'live',
})
export const GATEWAY_BODY_MAX = setting(
  'components.gateway.bodySizeMaxBytes',
  Count(1, Number.MAX_SAFE_INTEGER),
  { summary: 'largest body of a request to a component, in bytes', unset: '64 MiB', reload: 'live' },
)
export const GATEWAY_EXCHANGES_MAX = setting('components.gateway.exchangesMax', Count(1, 65_536), {
  summary: 'requests and WebSockets to components under way at a time',
  unset: '1024',
  reload: 'live',
})

export const MESH_STRICT = setting('mesh.strict', Switch, {
  summary: 'events of types that nobody declared are refused',
  fallback: false,
  reload: 'live',
})
export const MESH_LEGACY_MODE = setting(
  'mesh.legacyMode',
  Type.Union([Type.Literal('log-only'), Type.Literal('enforce')]),
  {
    summary:
      'what is refused to callers of the older bus: published all the same and told (log-only), or refused (enforce)',
    fallback: 'enforce',
    isGuarded: true,
    reload: 'restart',
  },
)

export const WEBHOOKS_ORIGIN = setting('webhooks.origin', Text('a DNS name'), {
  summary: 'name under which the hub introduces itself to endpoints',
  fallback: 'polity',
  reload: 'restart',
})
export const WEBHOOKS_DISABLE_AFTER_MS = setting('webhooks.disableAfterMs', Duration(0), {
  summary: 'an endpoint to which nothing got through for so many milliseconds is disabled; 0: never',
  fallback: 432_000_000,
  reload: 'live',
})
export const WEBHOOKS_ALLOWED_ORIGINS = setting('webhooks.allowedOrigins', Names, {
  summary: 'origins that may ask for consent to send; `*`: all',
  fallback: [],
  isGuarded: true,
  reload: 'live',
})
export const WEBHOOKS_RATE = setting('webhooks.ratePerMinute', Count(1, 1_000_000), {
  summary: 'events that a source may send per minute',
  fallback: 600,
  reload: 'live',
})

export const BROKERS_CONNECTIONS = setting('brokers.connections', Names, {
  summary:
    'message brokers as `NAME=URL`: `nats://`, `tls://`, `redis://` or `rediss://`, with `user`, and `password`, `token`, `credentials`, `ca` as references',
  fallback: [],
  check: (list) => requireBrokers(list),
  isGuarded: true,
  reload: 'restart',
})

/** Reads every one, so that a mistake is told before the start; no secret is looked at. */
function requireBrokers(list: readonly string[]): void {
  for (const text of Object.values(parseConnections(list))) parseAccess(text, async () => '')
}

/** A service of the ecosystem: its address turns it on, and its token is a reference. */
const service = (key: string, name: string, variable: string) => ({
  url: setting(`counterparts.${key}.url`, Text('a URL'), {
    summary: `address of ${name}`,
    unset: 'its work is done here, and nothing is sent',
    aliases: [{ variable: `${variable}_ENDPOINT`, meaning: `address of ${name}` }],
    check: requireWebAddress,
    isGuarded: true,
    reload: 'restart',
  }),
  token: setting(`counterparts.${key}.token`, Secret(), {
    summary: `bearer token of ${name}`,
    fallback: `env:${variable}_API_KEY`,
    isGuarded: true,
    reload: 'restart',
  }),
})

function requireWebAddress(text: string): void {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new PolityError('input.invalid', 'it must be an http: or https: URL without credentials')
}

export const SHADOW_SCROLLS = service('shadowScrolls', 'ShadowScrolls', 'SHADOWSCROLLS')
export const LEGIO_COGNITO = service('legioCognito', 'Legio-Cognito', 'LEGIO_COGNITO')
export const TRIUMVIRATE_MONITOR = service(
  'triumvirateMonitor',
  'the Triumvirate Monitor',
  'TRIUMVIRATE_MONITOR',
)
export const SWARM_ENGINE = service('swarmEngine', 'the Swarm Engine', 'SWARM_ENGINE')

/** Seconds, as the seeds say them, in milliseconds. */
const fromSeconds = (text: string): string =>
  /^\d{1,9}(\.\d{1,3})?$/.test(text) ? String(Math.round(Number(text) * 1000)) : text

export const COUNTERPARTS_TIMEOUT_MS = setting('counterparts.timeoutMs', Duration(1), {
  summary: 'milliseconds for one request to such a service',
  fallback: 30_000,
  aliases: [
    { variable: 'INTEGRATION_TIMEOUT', meaning: 'the same in seconds (there 30)', translate: fromSeconds },
  ],
  reload: 'restart',
})
export const COUNTERPARTS_ATTEMPTS_MAX = setting('counterparts.retry.attemptsMax', Count(1, 100), {
  summary: 'attempts altogether, the first included',
  fallback: 4,
  aliases: [
    {
      variable: 'INTEGRATION_RETRY_COUNT',
      meaning: 'repetitions after the first attempt (there 3)',
      translate: (text) => (/^\d{1,3}$/.test(text) ? String(Number(text) + 1) : text),
    },
  ],
  reload: 'restart',
})
export const COUNTERPARTS_BASE_MS = setting('counterparts.retry.baseMs', Duration(1), {
  summary: 'the first repetition comes within so many milliseconds, each later one within twice as many',
  fallback: 1000,
  aliases: [
    { variable: 'INTEGRATION_RETRY_DELAY', meaning: 'the same in seconds (there 1)', translate: fromSeconds },
  ],
  reload: 'restart',
})
export const COUNTERPARTS_CAP_MS = setting('counterparts.retry.capMs', Duration(1), {
  summary: 'no repetition waits for more milliseconds',
  fallback: 30_000,
  reload: 'restart',
})
export const COUNTERPARTS_PROBE_MS = setting('counterparts.probeIntervalMs', Duration(1000), {
  summary: 'milliseconds between two looks at the health of these services',
  unset: 'as often as a service is looked at by default',
  reload: 'restart',
})
