// The archive: write-once scrolls in several copies, kept by retention and hold, found by their words, scrubbed by hash.

import { join } from 'node:path'
import { defineModule, type Module, type ModuleHost } from '../../kernel/catalog/module.ts'
import * as contract from './contract.ts'
import {
  bypass,
  deleteVersion,
  enter,
  forget,
  get,
  hold,
  list,
  listVersions,
  preserve,
  release,
  retain,
  scrub,
  search,
} from './contract.ts'
import { openCopies } from './copies.ts'
import { followAlerts, followErasures, followKeeping, followRemovals } from './feeds.ts'
import { openFts5Index } from './index/fts5/fts5-index.ts'
import type { SearchIndex } from './index/search-index.ts'
import {
  bypassRetention,
  deleteOne,
  forgetRuns,
  requireErasableSubject,
  retainVersion,
  setHold,
} from './keeping.ts'
import { enterOne, preserveOne } from './preserving.ts'
import { getVersion, listScrolls, listVersionsOf } from './reading.ts'
import { scrubRegularly } from './rounds.ts'
import { scrubAll } from './scrub.ts'
import { openSearching } from './searching.ts'
import type { ArchiveOptions } from './settings.ts'

/** One index per log, shared by its hubs: two logs on one database share nothing. */
const searchSchemaOf = (keyid: string): string => `polity_archive_${keyid.slice(0, 16)}`

export const archiveModule = (options: ArchiveOptions = {}): Module =>
  defineModule(
    'archive',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    (host) => openArchive(host, options),
  )

async function openArchive(host: ModuleHost, { copies: places, credentials, searchUrl }: ArchiveOptions) {
  const { env, statementSigner: signer } = host
  const copies = openCopies({
    env,
    dataDir: () => host.dataDir(),
    ...(places === undefined ? {} : { places }),
    ...(credentials === undefined ? {} : { credentials }),
  })
  const index = await openIndex(host, searchUrl)
  const searching = openSearching(index, copies)
  followKeeping(host, copies)
  followErasures(host)
  followRemovals(host, await index.id(), searching)
  followAlerts(host)
  const rounds = scrubRegularly(host)
  return {
    commands: [
      preserve.handle((ctx, input) => preserveOne(ctx, input, { copies, env, signer })),
      enter.handle((ctx, input) => enterOne(ctx, input, signer)),
      retain.handle(retainVersion),
      bypass.handle(bypassRetention),
      hold.handle((ctx, input) => setHold(ctx, input, true)),
      release.handle((ctx, input) => setHold(ctx, input, false)),
      deleteVersion.handle((ctx, { scroll, version }) => deleteOne(ctx, scroll, version)),
      scrub.handle((ctx, input) => scrubAll(ctx, input, copies)),
      forget.handle((ctx, { scroll }) => forgetRuns(ctx, scroll)),
    ],
    queries: [
      get.handle((ctx, input) => getVersion(ctx, input, copies)),
      list.handle((ctx, input) => listScrolls(ctx, input)),
      listVersions.handle((ctx, input) => listVersionsOf(ctx, input, copies)),
      search.handle((ctx, input) => searching.search(ctx, input)),
    ],
    requireErasable: requireErasableSubject,
    async close() {
      await rounds.close()
      await searching.close()
    },
  }
}

/** The client of PostgreSQL is loaded only where it is used. */
async function openIndex(host: ModuleHost, searchUrl: string | undefined): Promise<SearchIndex> {
  if (searchUrl === undefined) return openFts5Index(join(host.cacheDir(), 'search.db'), host.env)
  const { openPostgresIndex } = await import('./index/postgres/postgres-index.ts')
  return openPostgresIndex({ url: searchUrl, schema: searchSchemaOf(host.statementSigner.keyid) })
}
