// The program: a line of words goes to the CLI, an exit code comes back; the hub and its doors are loaded only by `up`.

import process from 'node:process'
import { runCli } from './doors/cli/cli.ts'
import type { ProgramSettings } from './doors/cli/settings.ts'
import type { Module } from './kernel/catalog/module.ts'
import type { Configuration } from './kernel/config/configuration.ts'
import { RELEASE } from './release.ts'

process.exitCode = await runCli(process.argv.slice(2), {
  release: RELEASE,
  loadSettings,
  openServer: async (options) => (await import('./server.ts')).openServer(options, loadModules),
})

async function loadSettings(): Promise<ProgramSettings> {
  const [{ SETTINGS, FOREIGN_KEYS }, { DATA, ENVIRONMENT, STORE }, { BROKERS_CONNECTIONS }] =
    await Promise.all([import('./settings.ts'), import('./settings/hub.ts'), import('./settings/modules.ts')])
  return {
    table: SETTINGS,
    foreign: FOREIGN_KEYS,
    keys: {
      data: DATA.key,
      environment: ENVIRONMENT.key,
      store: STORE.key,
      brokers: BROKERS_CONNECTIONS.key,
    },
  }
}

/** Every module that comes along, with what the configuration says to it. */
async function loadModules(configuration: Configuration): Promise<readonly Module[]> {
  const {
    archiveOptions,
    brokersOptions,
    componentsOptions,
    counterpartsOptions,
    meshOptions,
    webhooksOptions,
  } = await import('./module-options.ts')
  return Promise.all([
    import('./modules/state/module.ts').then(({ state }) => state),
    import('./modules/mirror/module.ts').then(({ mirror }) => mirror),
    import('./modules/attest/module.ts').then(({ attest }) => attest),
    import('./modules/archive/module.ts').then(async ({ archiveModule }) =>
      archiveModule(await archiveOptions(configuration)),
    ),
    import('./modules/mesh/module.ts').then(({ meshModule }) => meshModule(meshOptions(configuration))),
    import('./modules/webhooks/module.ts').then(({ webhooksModule }) =>
      webhooksModule(webhooksOptions(configuration)),
    ),
    import('./modules/brokers/module.ts').then(({ brokersModule }) =>
      brokersModule(brokersOptions(configuration)),
    ),
    import('./modules/components/module.ts').then(({ componentsModule }) =>
      componentsModule(componentsOptions(configuration)),
    ),
    import('./modules/counterparts/module.ts').then(async ({ counterpartsModule }) =>
      counterpartsModule(await counterpartsOptions(configuration)),
    ),
    import('./modules/procedures/module.ts').then(({ proceduresModule }) => proceduresModule),
    import('./modules/schedules/module.ts').then(({ schedulesModule }) => schedulesModule),
    import('./modules/compliance/module.ts').then(({ compliance }) => compliance),
  ])
}
