// The program: a line of words goes to the CLI, an exit code comes back; the hub and its doors are loaded only by `up`.

import process from 'node:process'
import { runCli } from './doors/cli/cli.ts'
import type { ProgramSettings } from './doors/cli/command.ts'
import type { Module } from './kernel/catalog/module.ts'
import type { Configuration } from './kernel/config/configuration.ts'
import { RELEASE } from './release.ts'

process.exitCode = await runCli(process.argv.slice(2), {
  release: RELEASE,
  loadSettings,
  openServer: async (options) => (await import('./server.ts')).openServer(options, loadModules),
})

async function loadSettings(): Promise<ProgramSettings> {
  const { SETTINGS, FOREIGN_KEYS, DATA, ENVIRONMENT, STORE } = await import('./settings.ts')
  return {
    table: SETTINGS,
    foreign: FOREIGN_KEYS,
    keys: { data: DATA.key, environment: ENVIRONMENT.key, store: STORE.key },
  }
}

/** Every module that comes along, with what the configuration says to it. */
async function loadModules(configuration: Configuration): Promise<readonly Module[]> {
  const [{ state }, { mirror }, { attest }, { archiveModule }, { meshModule }, { componentsModule }, { archiveOptions }] =
    await Promise.all([
      import('./modules/state/module.ts'),
      import('./modules/mirror/module.ts'),
      import('./modules/attest/module.ts'),
      import('./modules/archive/module.ts'),
      import('./modules/mesh/module.ts'),
      import('./modules/components/module.ts'),
      import('./options.ts'),
    ])
  return [state, mirror, attest, archiveModule(await archiveOptions(configuration)), meshModule(), componentsModule()]
}
