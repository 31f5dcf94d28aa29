// From the configuration to what the modules are opened with.

import type { Configuration } from './kernel/config/configuration.ts'
import type { Setting } from './kernel/config/setting.ts'
import { type ArchiveOptions, archiveSettings } from './modules/archive/settings.ts'
import { type BrokersOptions, parseConnections } from './modules/brokers/settings.ts'
import type { ComponentsOptions } from './modules/components/settings.ts'
import type { CounterpartsOptions, ServiceOptions } from './modules/counterparts/settings.ts'
import type { MeshOptions } from './modules/mesh/settings.ts'
import type { WebhooksOptions } from './modules/webhooks/settings.ts'
import { ifThere, valueBehind } from './secret-settings.ts'
import * as settings from './settings/modules.ts'

export async function archiveOptions({ read }: Configuration): Promise<ArchiveOptions> {
  return archiveSettings({
    copies: read(settings.ARCHIVE_COPIES),
    searchUrl: await valueBehind(read(settings.ARCHIVE_SEARCH)),
    accessKeyId: await ifThere(read(settings.ARCHIVE_ACCESS_KEY)),
    secretAccessKey: await ifThere(read(settings.ARCHIVE_SECRET_KEY)),
    sessionToken: await ifThere(read(settings.ARCHIVE_SESSION_TOKEN)),
  })
}

/** Limits are asked for with every exchange. */
export const componentsOptions = ({ read }: Configuration): ComponentsOptions => ({
  ...set('allow', read(settings.COMPONENTS_ALLOW)),
  get massLossMs() {
    return read(settings.COMPONENTS_MASS_LOSS_MS)
  },
  gateway: {
    get connectMs() {
      return read(settings.GATEWAY_CONNECT_MS)
    },
    get headMs() {
      return read(settings.GATEWAY_HEAD_MS)
    },
    get idleMs() {
      return read(settings.GATEWAY_IDLE_MS)
    },
    get bodySizeMaxBytes() {
      return read(settings.GATEWAY_BODY_MAX)
    },
    get exchangesMax() {
      return read(settings.GATEWAY_EXCHANGES_MAX)
    },
  },
})

/** Validators are started by the start's own stage. Strictness is asked for with every event. */
export function meshOptions(configuration: Configuration): MeshOptions {
  const strict = configuration.live(settings.MESH_STRICT)
  return {
    get isStrict() {
      return strict.current()
    },
    legacyMode: configuration.read(settings.MESH_LEGACY_MODE),
    isValidating: false,
  }
}

/** All but the name, to which endpoints have consented, is asked for each time. */
export const webhooksOptions = ({ read }: Configuration): WebhooksOptions => ({
  origin: read(settings.WEBHOOKS_ORIGIN),
  get disableAfterMs() {
    return read(settings.WEBHOOKS_DISABLE_AFTER_MS)
  },
  get allowedOrigins() {
    return read(settings.WEBHOOKS_ALLOWED_ORIGINS)
  },
  get ratePerMinute() {
    return read(settings.WEBHOOKS_RATE)
  },
})

export const brokersOptions = ({ read }: Configuration): BrokersOptions => ({
  brokers: parseConnections(read(settings.BROKERS_CONNECTIONS)),
})

export async function counterpartsOptions({ read }: Configuration): Promise<CounterpartsOptions> {
  const timeoutMs = read(settings.COUNTERPARTS_TIMEOUT_MS)
  const service = async (named: {
    readonly url: Setting<string | undefined>
    readonly token: Setting<string>
  }): Promise<ServiceOptions | undefined> => {
    const [url, token] = [read(named.url), read(named.token)]
    if (url === undefined) return undefined
    const hasToken = (await ifThere(token)) !== undefined
    return { url, timeoutMs, ...(hasToken ? { token } : {}) }
  }
  return {
    ...set('shadowScrolls', await service(settings.SHADOW_SCROLLS)),
    ...set('legioCognito', await service(settings.LEGIO_COGNITO)),
    ...set('triumvirateMonitor', await service(settings.TRIUMVIRATE_MONITOR)),
    ...set('swarmEngine', await service(settings.SWARM_ENGINE)),
    ...set('probeIntervalMs', read(settings.COUNTERPARTS_PROBE_MS)),
    retry: {
      attemptsMax: read(settings.COUNTERPARTS_ATTEMPTS_MAX),
      baseMs: read(settings.COUNTERPARTS_BASE_MS),
      capMs: read(settings.COUNTERPARTS_CAP_MS),
    },
  }
}

/** A member that is only there where it is set. */
const set = <N extends string, V>(name: N, value: V | undefined): { readonly [name in N]?: V } =>
  value === undefined ? {} : ({ [name]: value } as { readonly [name in N]: V })
