// Whom a reading command asks: the running hub, or the folder of one that does not run.

import { existsSync, readFileSync } from 'node:fs'
import { PolityError } from '../../kernel/errors.ts'
import { dataPaths } from '../../kernel/log/layout.ts'
import { addressOf, publishedUrl } from './address.ts'
import { type HubClient, openHubClient } from './hub-client.ts'
import type { Settings } from './settings.ts'

/**
 * The hub of --url; else the one that runs on the folder; undefined when none runs there and the folder itself
 * can be read. Without a folder that was named or is there, it is whichever hub listens at the default place.
 */
export async function runningHub(settings: Settings): Promise<HubClient | undefined> {
  const hub = () => openHubClient(addressOf(settings))
  const isFolder = settings.isDataGiven || existsSync(dataPaths(settings.dataDir).database)
  if (settings.url !== undefined || !isFolder) return hub()
  if (publishedUrl(settings.dataDir) === undefined) return undefined
  const client = hub()
  return (await isHubOf(client, settings.dataDir)) ? client : undefined
}

/** A killed hub leaves its URL behind, and another may listen there now: the log's key tells. */
async function isHubOf(client: HubClient, dataDir: string): Promise<boolean> {
  try {
    return (await client.text('/log/vkey')).trim() === readFileSync(dataPaths(dataDir).vkey, 'utf8').trim()
  } catch (error) {
    if (error instanceof PolityError && error.code !== 'hub.unreachable') throw error
    return false
  }
}
