// The module of counterparts with one service, whose rows a test may plant and count; without vitest, for child processes too.

import type { Module, ModuleHost } from '../../../src/kernel/catalog/module.ts'
import type { RowChange } from '../../../src/kernel/catalog/working-rows.ts'
import { counterpartsModule } from '../../../src/modules/counterparts/module.ts'
import type { CounterpartsOptions } from '../../../src/modules/counterparts/settings.ts'

export const SERVICE = 'legio_cognito'
export const OUTBOX = 'counterparts.outbox'
export const ASIDE = 'counterparts.refused'
export const DAY_MS = 24 * 3600_000
export const SECRET_BODY = JSON.stringify({ text: 'nobody is to read this in a list' })

const NEVER_MS = 3_600_000

/** Probed only by whoever says so. `url` absent: the service is off. */
export function asideModule(
  url: string | undefined,
  more: CounterpartsOptions = {},
): { readonly module: Module; host(): ModuleHost } {
  let opened: ModuleHost | undefined
  const module = counterpartsModule({
    retry: { attemptsMax: 1, baseMs: 1, capMs: 1 },
    probeIntervalMs: NEVER_MS,
    breaker: { failuresMax: 1000 },
    ...(url === undefined ? {} : { legioCognito: { url, timeoutMs: 5000 } }),
    ...more,
  })
  return {
    module: {
      ...module,
      open(host) {
        opened = host
        return module.open(host)
      },
    },
    host() {
      if (opened === undefined) throw new Error('the module was not opened')
      return opened
    },
  }
}

interface Planted {
  readonly ageMs?: number
  readonly body?: string
  readonly retriedAt?: string
}

const itemOf = (key: string, { ageMs = 1000, body = SECRET_BODY, retriedAt }: Planted) => ({
  method: 'POST',
  path: '/scrolls',
  body,
  key,
  operation: 'archive',
  keptAt: new Date(Date.now() - ageMs).toISOString(),
  code: 'counterpart.failed',
  ...(retriedAt === undefined ? {} : { retriedAt }),
})

/** As it waits to be delivered. */
export const waitingRow = (key: string, planted: Planted = {}): RowChange => ({
  table: OUTBOX,
  key: `${SERVICE}/${key}`,
  value: itemOf(key, planted),
})

/** As it was set aside. */
export const asideRow = (key: string, planted: Planted = {}): RowChange => ({
  table: ASIDE,
  key: `${SERVICE}/${key}`,
  value: { ...itemOf(key, planted), status: 422, asideAt: new Date(Date.now()).toISOString() },
  expiresAtMs: Date.now() + DAY_MS,
})

export const keysIn = async ({ rows }: Pick<ModuleHost, 'rows'>, table: string): Promise<string[]> =>
  (await rows.scan(table, { prefix: `${SERVICE}/`, limit: 1000 })).map(({ key }) =>
    key.slice(SERVICE.length + 1),
  )

/** In the order of text. */
export const numbered = (count: number, prefix = 'k'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${String(at).padStart(4, '0')}`)

/** Where nobody listens. */
export const NOBODY_URL = 'http://127.0.0.1:9'

const GROUPS = 60
const GROUP_SIZE = 10

/** What is retried in one commit each. */
export const groupsOf = (): string[][] =>
  Array.from({ length: GROUPS }, (_, group) => numbered(GROUP_SIZE, `g${String(group).padStart(3, '0')}-`))
