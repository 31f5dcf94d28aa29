// A running hub as a source of verification, over HTTP: everything it answers is bounded in size and time.

import { Buffer } from 'node:buffer'
import { readBody } from '../../bounded-body.ts'
import { PolityError } from '../../errors.ts'
import { checkAborted, failed } from '../verify/failure.ts'
import { SMALL_FILE_MAX_BYTES } from './export.ts'
import type { LogSource, OpenSourceOptions } from './port.ts'
import { RETENTION_MAX_BYTES, readPruned } from './retention.ts'
import { type ReadPath, tiledSource } from './tiles.ts'

const REQUEST_TIMEOUT_MS = 30_000

/** `url` is the hub's, without `/log`. Throws `hub.unreachable`, `auth.missing`, `denied`, `verify.failed`. */
export async function hubSource(
  url: string,
  { token, signal }: Pick<OpenSourceOptions, 'token' | 'signal'>,
): Promise<LogSource> {
  const base = baseOf(url)
  const get = (path: string, maxBytes: number, abort = signal) =>
    fetchBounded(new URL(path, base), maxBytes, token, abort)
  const note = await get('checkpoint', SMALL_FILE_MAX_BYTES)
  const vkey = await get('vkey', SMALL_FILE_MAX_BYTES)
  // A hub that knows nothing of retention holds its log as a whole.
  const { minimumIndex } = readPruned(await get('retention', SMALL_FILE_MAX_BYTES))
  const { kept } = minimumIndex === 0 ? { kept: [] } : await readKept(get, minimumIndex)
  return {
    ...tiledSource(get, { minimumIndex }),
    minimumIndex,
    kept,
    name: base.href,
    kind: 'hub',
    checkpoints: note === undefined ? [] : [{ name: 'checkpoint', note: text(note) }],
    ...(vkey === undefined ? {} : { vkey: text(vkey).replace(/\n$/, '') }),
    async close() {},
  }
}

async function readKept(get: ReadPath, minimumIndex: number) {
  const { kept } = readPruned(await get('kept', RETENTION_MAX_BYTES))
  // What was announced and is not removed yet is still there as itself.
  return { kept: kept.filter(({ seq }) => seq < minimumIndex) }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

function baseOf(url: string): URL {
  const base = URL.parse(url.endsWith('/') ? url : `${url}/`)
  if (base === null || base.username !== '' || base.password !== '')
    throw new PolityError('usage', 'this is not the URL of a hub, such as http://127.0.0.1:7070')
  return new URL('log/', base)
}

/** Undefined for 404, and for 410 (what was pruned). A redirect is refused: it could carry the token elsewhere. */
async function fetchBounded(
  url: URL,
  maxBytes: number,
  token: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const deadline = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    if (!response.ok) {
      await response.body?.cancel()
      if (response.status === 404 || response.status === 410) return undefined
      throw refused(url, response.status)
    }
    const tooLarge = () =>
      failed('missing', `${url.href} answers more than ${maxBytes} bytes`, { url: url.href })
    return await readBody(response, maxBytes, tooLarge)
  } catch (error) {
    checkAborted(signal)
    if (error instanceof PolityError) throw error
    throw new PolityError(
      'hub.unreachable',
      `${url.href} does not answer: ${(error as Error).message}`,
      { url: url.href },
      error,
    )
  }
}

function refused(url: URL, status: number): PolityError {
  const facts = { url: url.href, status }
  if (status === 401)
    return new PolityError(
      'auth.missing',
      'the hub asks for a token with the scope log.read: pass --token',
      facts,
    )
  if (status === 403) return new PolityError('denied', 'this token may not read the log', facts)
  return new PolityError('hub.unreachable', `${url.href} answers with status ${status}`, facts)
}
