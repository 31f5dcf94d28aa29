// A hub is verified over HTTP, from its public paths, and cannot make its verifier wait, drown or leak.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { eventTexts, type SignedFiles, signedFiles } from '../../src/kernel/audit/fixtures/signed-files.ts'
import type { OpenSourceOptions } from '../../src/kernel/audit/sources/port.ts'
import { openSource } from '../../src/kernel/audit/sources/sources.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'

type Answer = (path: string, request: IncomingMessage, response: ServerResponse) => void

let stop: (() => Promise<void>) | undefined
afterEach(() => stop?.())

async function serve(answer: Answer): Promise<string> {
  const server = createServer((request, response) => answer(request.url ?? '', request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What a hub answers at /log/... */
const hub =
  ({ checkpoint, vkey, files }: SignedFiles): Answer =>
  (path, _request, response) => {
    const known: Record<string, string | Uint8Array> = {
      checkpoint,
      vkey: `${vkey}\n`,
      ...Object.fromEntries(files),
    }
    const found = known[path.replace(/^\/log\//, '')]
    response.writeHead(found === undefined ? 404 : 200).end(found)
  }

async function verify(url: string, options: Partial<OpenSourceOptions> = {}) {
  return verifyLog(await openSource(url, { env: {}, ...options }))
}

describe('a hub', () => {
  it.each([0, 3, 600])('with %d entries is verified from its URL', async (size) => {
    const url = await serve(hub(await signedFiles(eventTexts(size))))
    expect(await verify(url)).toMatchObject({ size })
    expect(await verify(`${url}/`)).toMatchObject({ size })
  })

  it('that shows a changed entry is found out', async () => {
    const log = await signedFiles(eventTexts(3))
    const other = await signedFiles(eventTexts(4).slice(1))
    log.files.set('tile/entries/000.p/3', other.files.get('tile/entries/000.p/3') as Uint8Array)
    await expect(verify(await serve(hub(log)))).rejects.toMatchObject({
      code: 'verify.failed',
      facts: { reason: 'leaf', seq: 0 },
    })
  })

  it('gets the token, and says when it wants one', async () => {
    const log = hub(await signedFiles(eventTexts(3)))
    const url = await serve((path, request, response) => {
      const { authorization } = request.headers
      if (authorization === 'Bearer good' || !path.includes('entries')) return log(path, request, response)
      response.writeHead(authorization === undefined ? 401 : 403).end()
    })
    expect(await verify(url, { token: 'good' })).toMatchObject({ size: 3 })
    await expect(verify(url)).rejects.toMatchObject({ code: 'auth.missing' })
    await expect(verify(url, { token: 'bad' })).rejects.toMatchObject({ code: 'denied' })
  })

  it('may not send its verifier elsewhere', async () => {
    const url = await serve((_path, _request, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(),
    )
    await expect(verify(url, { token: 'good' })).rejects.toMatchObject({ code: 'hub.unreachable' })
  })

  it('may not answer without end', async () => {
    const log = hub(await signedFiles(eventTexts(3)))
    const url = await serve((path, request, response) => {
      if (!path.includes('/tile/0/')) return log(path, request, response)
      const more = () => {
        while (response.write(Buffer.alloc(4096))) if (response.destroyed) return
        response.once('drain', more)
      }
      more()
    })
    await expect(verify(url)).rejects.toMatchObject({ code: 'verify.failed', facts: { reason: 'missing' } })
  })

  it('that never answers can be left', async () => {
    const leaving = new AbortController()
    const url = await serve(() => leaving.abort())
    await expect(verify(url, { signal: leaving.signal })).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('that is broken, gone or nonsense is said to be', async () => {
    const url = await serve((_path, _request, response) => response.writeHead(500).end())
    await expect(verify(url)).rejects.toMatchObject({ code: 'hub.unreachable', facts: { status: 500 } })
    await stop?.()
    await expect(verify(url)).rejects.toMatchObject({ code: 'hub.unreachable' })
    await expect(verify('http://user:password@127.0.0.1/')).rejects.toMatchObject({ code: 'usage' })
    await expect(verify('http://:::/')).rejects.toMatchObject({ code: 'usage' })
  })
})
