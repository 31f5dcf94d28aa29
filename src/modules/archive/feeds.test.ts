// What the index loses when the log tells of it late: the text that was meant, and nothing that came after.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { FeedOptions } from '../../kernel/feed/feed.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { SubjectErased } from '../../kernel/system/contract.ts'
import { VersionDeleted } from './contract.ts'
import { followRemovals } from './feeds.ts'
import { openFts5Index } from './index/fts5/fts5-index.ts'
import { placeOf } from './index/search-index.ts'
import { openSearching } from './searching.ts'

const TIME = '2030-01-01T00:00:00Z'
const { signal } = new AbortController()
const entry = (type: string, seq: number, data: Entry['data']): Entry => ({
  type,
  seq,
  data,
  id: `id-${seq}`,
  source: 'polity://main',
  time: TIME,
})

it('a removal that is told late leaves the version that came after it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'polity-feeds-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const index = openFts5Index(join(dir, 'search.db'), { id: () => 'id' })
  const searching = openSearching(index, [])
  onTestFinished(() => searching.close())
  const feeds: FeedOptions[] = []
  const host = {
    follow(options: FeedOptions) {
      feeds.push(options)
      return { close: async () => undefined }
    },
    invokeAsHub: () => Promise.reject(new Error('nothing is asked for')),
  }
  followRemovals(host, await index.id(), searching)
  const [feed] = feeds
  const tell = (told: Entry) => feed?.handle(told, signal)
  const isFound = async () => (await index.search({ terms: [], limit: 1 })).length === 1

  const facts = { title: 't', category: 'c', tags: [], mediaType: 'text/plain', preservedAt: TIME, text: 'x' }
  const place = placeOf(Date.parse(TIME), 10)
  await index.write({ put: [{ ...facts, scroll: 's', version: 3, place }], remove: [] })
  await tell(entry(VersionDeleted.name, 5, { scroll: 's', version: 2 }))
  await tell(entry(SubjectErased.name, 9, { subject: 'scroll/s' }))
  await tell(entry(SubjectErased.name, 11, { subject: 'scroll/other' }))
  await tell(entry(SubjectErased.name, 11, { subject: 'state/s' }))
  expect(await isFound()).toBe(true)
  await tell(entry(SubjectErased.name, 11, { subject: 'scroll/s' }))
  expect(await isFound()).toBe(false)
  await index.write({ put: [{ ...facts, scroll: 's', version: 3, place }], remove: [] })
  await tell(entry(VersionDeleted.name, 12, { scroll: 's', version: 3 }))
  expect(await isFound()).toBe(false)
})
