// Where copies live, as one line of settings says it.

import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import { openCopies, parseCopies } from './copies.ts'
import { archiveSettings } from './settings.ts'

const problemOf = (text: string): string => {
  try {
    parseCopies(text)
  } catch (error) {
    if (error instanceof PolityError && error.code === 'usage') return error.message
    throw error
  }
  return ''
}

describe('the copies in a line of settings', () => {
  it('are folders and buckets, in their order', () => {
    expect(
      parseCopies('/a, b/c ,s3://scrolls,s3://scrolls/x/y/?region=eu-1&endpoint=http://127.0.0.1:9000'),
    ).toEqual([
      { kind: 'folder', dir: '/a' },
      { kind: 'folder', dir: resolve('b/c') },
      {
        kind: 's3',
        endpoint: 'https://s3.us-east-1.amazonaws.com',
        region: 'us-east-1',
        bucket: 'scrolls',
        prefix: '',
      },
      { kind: 's3', endpoint: 'http://127.0.0.1:9000', region: 'eu-1', bucket: 'scrolls', prefix: 'x/y/' },
    ])
  })

  it.each([
    ['', 'no place'],
    ['/a,', 'no place'],
    ['/a,/b/../a', 'named twice'],
    ['s3://b', 'no bucket'],
    ['s3:bucket', 'no bucket'],
    ['s3://Bucket', 'no bucket'],
    ['s3://bucket/../x', 'prefix'],
    ['s3://bucket/a b', 'prefix'],
    ['s3://bucket?key=secret', 'AWS_ACCESS_KEY_ID'],
    ['s3://bucket?region=../x', 'region'],
    ['s3://bucket?endpoint=ftp://x', 'endpoint'],
    ['s3://bucket?endpoint=https://user:hush@x', 'endpoint'],
    ['s3://bucket?endpoint=https://x/path', 'endpoint'],
    ['https://example.com/x', 'neither'],
    ['/1,/2,/3,/4,/5,/6,/7,/8,/9', '8 copies'],
  ])('refuses %j and says why', (text, why) => {
    expect(problemOf(text)).toContain(why)
    expect(problemOf(text)).not.toContain('hush')
  })

  it('are places or a refusal, whatever the line holds', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `s3://bucket/${text}`),
        ),
        (text) => {
          problemOf(text)
        },
      ),
    )
  })

  it('have the names by which entries call them', () => {
    const env = {
      now: () => 0,
      monotonic: () => 0,
      sleepUntil: async () => undefined,
      id: () => '',
      random: () => new Uint8Array(),
    }
    const places = parseCopies('/1,/2,/3,/4')
    const names = openCopies({ places, env, dataDir: () => '/x' }).map(({ name }) => name)
    expect(names).toEqual(['primary', 'secondary', 'tertiary', 'copy-4'])
    const defaults = openCopies({ env, dataDir: () => '/x' }).map(({ blobs }) => blobs.location())
    expect(defaults).toEqual(['/x/1', '/x/2'])
  })
})

describe('the settings of the archive', () => {
  it('are empty where nothing is said', () => {
    expect(archiveSettings({})).toEqual({})
    expect(archiveSettings({ copies: [], searchUrl: '', accessKeyId: 'only' })).toEqual({})
  })

  it('are copies, keys and the search engine', () => {
    const said = {
      copies: ['/a'],
      searchUrl: 'postgres://localhost/x',
      accessKeyId: 'id',
      secretAccessKey: 'key',
      sessionToken: 'token',
    }
    expect(archiveSettings(said)).toEqual({
      copies: [{ kind: 'folder', dir: '/a' }],
      searchUrl: 'postgres://localhost/x',
      credentials: { accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' },
    })
  })
})
