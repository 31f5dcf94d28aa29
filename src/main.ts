// The program: a line of words goes to the CLI, an exit code comes back; the hub and its doors are loaded only by `up`.

import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { runCli } from './doors/cli/cli.ts'
import type { Server, ServerOptions } from './doors/cli/command.ts'
import type { AnalyzedRepository } from './doors/cli/repositories.ts'
import type { Hub } from './hub.ts'
import type { Module } from './kernel/catalog/module.ts'
import { PolityError } from './kernel/errors.ts'
import { RELEASE } from './release.ts'

const WEB_DIR = fileURLToPath(new URL('../web', import.meta.url))

process.exitCode = await runCli(process.argv.slice(2), { release: RELEASE, openServer })

/** Opens the hub, then its doors; what is open is closed in reverse, also when a later one fails. */
async function openServer({
  dir,
  host,
  port,
  logLevel,
  isLogPublic,
  ...options
}: ServerOptions): Promise<Server> {
  const [{ openHub }, { openHttpDoor }, { openHubLog }, modules] = await Promise.all([
    import('./hub.ts'),
    import('./doors/http/server.ts'),
    import('./doors/cli/hub-log.ts'),
    loadModules(),
  ])
  await using opening = new AsyncDisposableStack()
  const hub = opening.adopt(
    await openHub({ dir, modules, onFailure: openHubLog(logLevel).failure, ...options }),
    (each) => each.close(),
  )
  const door = opening.adopt(
    await openHttpDoor(hub, { host, port, webDir: WEB_DIR, logLevel, isLogPublic }),
    (each) => each.close(),
  )
  const open = opening.move()
  return {
    url: door.url,
    signInUrl: () => door.signInUrl(),
    analyze: (path) => analyze(hub, path),
    lost: hub.log.lost,
    close: () => open.disposeAsync(),
  }
}

async function loadModules(): Promise<readonly Module[]> {
  const [{ state }, { mirror }, { attest }, { archiveModule }, { archiveSettings }] = await Promise.all([
    import('./modules/state/module.ts'),
    import('./modules/mirror/module.ts'),
    import('./modules/attest/module.ts'),
    import('./modules/archive/module.ts'),
    import('./modules/archive/settings.ts'),
  ])
  return [state, mirror, attest, archiveModule(archiveSettings(process.env))]
}

/** In the name of the owner, who started the process, and through the gate like everything else. */
async function analyze(hub: Hub, path: string): Promise<AnalyzedRepository> {
  const caller = await hub.identity.byToken(hub.ownerToken)
  const answer = await hub.invoke(caller, 'mirror.analyze', { paths: [path] })
  if (answer.status !== 'done')
    throw new PolityError('denied', 'sentence' in answer ? answer.sentence : 'the analysis goes on')
  const [outcome] = (answer.output as { readonly outcomes: readonly AnalyzedRepository[] }).outcomes
  if (outcome === undefined) throw new PolityError('internal', `the analysis of ${path} has no outcome`)
  return outcome
}
