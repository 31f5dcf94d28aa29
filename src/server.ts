// What `polity up` runs: a hub and its doors in one start, told by the configuration, watched by the service manager.

import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { type Output, output } from './boot/output.ts'
import type { Stage } from './boot/stages.ts'
import { openSupervisor } from './boot/supervisor.ts'
import type { Server, ServerOptions } from './doors/cli/command.ts'
import { openHubLog } from './doors/cli/hub-log.ts'
import type { AnalyzedRepository } from './doors/cli/repositories.ts'
import { type HttpDoor, type HttpDoorOptions, openHttpDoor } from './doors/http/server.ts'
import { type Hub, openHub } from './hub.ts'
import type { Module } from './kernel/catalog/module.ts'
import { type Configuration, openConfiguration } from './kernel/config/configuration.ts'
import { followFiles } from './kernel/config/following.ts'
import { readSources } from './kernel/config/sources.ts'
import { systemEnv } from './kernel/env.ts'
import { PolityError } from './kernel/errors.ts'
import { meshValidators } from './modules/mesh/faces.ts'
import { doorOptions, hubOptions } from './options.ts'
import { openReloading } from './reloading.ts'
import * as settings from './settings/hub.ts'
import { SETTINGS } from './settings.ts'

const WEB_DIR = fileURLToPath(new URL('../web', import.meta.url))
const DOOR_TIMEOUT_MS = 30_000
const VALIDATORS_TIMEOUT_MS = 10_000

/** Opens everything or nothing; what is open is closed in reverse. */
export async function openServer(
  { sources, signal }: ServerOptions,
  loadModules: (configuration: Configuration) => Promise<readonly Module[]>,
): Promise<Server> {
  const read = readSources(sources)
  const configuration = openConfiguration(SETTINGS, read.layers)
  const door = output<HttpDoor>('doors')
  const { level, ...doors } = doorOptions(configuration)
  const log = openHubLog(level)
  const { dir, ...options } = await hubOptions(configuration)
  const hub = await openHub({
    ...options,
    dir,
    modules: await loadModules(configuration),
    onFailure: log.failure,
    signal,
    configuration: {
      configuration,
      reread: (instead) => readSources(sources, instead),
      watchMs: configuration.live(settings.CONFIG_WATCH_MS),
    },
    stages: (opened) => [
      validatorsStage(opened),
      doorsStage(opened, { ...doors, logLevel: level, webDir: WEB_DIR }, door),
    ],
  })
  const closing = new AbortController()
  const supervisor = openSupervisor({
    env: systemEnv(),
    variables: process.env,
    signal: closing.signal,
    isWell: () => !hub.log.lost.aborted,
    onFailure: (sentence) => log.failure(new PolityError('internal', sentence)),
  })
  const { url } = door.get()
  await supervisor.ready(`listening at ${url}`)
  const reloading = openReloading(hub, configuration, sources, supervisor, url)
  const unfollow = configuration.read(settings.CONFIG_FOLLOW)
    ? followFiles([...new Set([...read.files, read.ownFile])], reloading.onChange)
    : () => undefined
  return {
    url,
    signInUrl: () => door.get().signInUrl(),
    analyze: (path) => analyze(hub, path),
    lost: hub.log.lost,
    dataDir: dir,
    isMirrorAtStart: configuration.read(settings.MIRROR_AT_START),
    warnings: read.warnings,
    hasFiles: read.files.length > 0,
    reload: reloading.reload,
    onReload: reloading.onReload,
    async close() {
      unfollow()
      closing.abort()
      await supervisor.stopping()
      await hub.close()
    },
  }
}

/** While the validators are not up, events that must be checked are denied: never passed unchecked. */
const validatorsStage = (opened: () => Hub): Stage => ({
  id: 'mesh_validators',
  requires: ['production_systems'],
  mayFail: true,
  timeoutMs: VALIDATORS_TIMEOUT_MS,
  start() {
    const validators = opened().face(meshValidators)
    validators?.start()
    return { stop: () => validators?.stop() }
  },
})

const doorsStage = (opened: () => Hub, options: HttpDoorOptions, door: Output<HttpDoor>): Stage => ({
  id: 'doors',
  requires: ['production_systems'],
  after: ['mesh_validators'],
  timeoutMs: DOOR_TIMEOUT_MS,
  async start() {
    const http = await openHttpDoor(opened(), options)
    door.set(http)
    return { stop: () => http.close() }
  },
})

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
