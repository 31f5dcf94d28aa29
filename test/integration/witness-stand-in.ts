// A witness that does as it is told: honest by default, and otherwise everything that a witness must not do.

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { keySigner } from '../../src/kernel/log/signer.ts'
import { addSignatures, cosign } from '../../src/kit/cosignature.ts'
import {
  cosignerKey,
  formatSignatureLine,
  formatVkey,
  type NoteSignature,
} from '../../src/kit/signed-note.ts'
import { originHash, parseAddCheckpoint, type ReceivedCheckpoint } from '../../src/kit/tlog-witness.ts'

/** What it answers instead of what it should; undefined: it is honest. */
export type Deed = (exchange: Exchange) => void | Promise<void>

export interface Exchange {
  readonly received: ReceivedCheckpoint
  readonly response: ServerResponse
  /** A cosignature of any text, as of any time. */
  sign(text: string, timestampSeconds?: number): Promise<NoteSignature>
}

export interface StandIn {
  readonly url: string
  readonly vkey: string
  /** Bodies of add-checkpoint, in order. */
  readonly received: ReceivedCheckpoint[]
  /** What it shows at `<origin hash>/checkpoint`, by origin. */
  readonly shown: Map<string, string>
  do(deed: Deed | undefined): void
  /** Resolves when a request for which this holds has been answered honestly, or was so already. */
  cosigned(holds: (received: ReceivedCheckpoint) => boolean): Promise<void>
  close(): Promise<void>
}

/** `size`: what it believes to have cosigned last. */
export async function openStandIn(name = 'witness.example/stand-in'): Promise<StandIn> {
  const signer = keySigner(name, generateKeyPairSync('ed25519').privateKey)
  const key = cosignerKey(name, 'ed25519', signer.key.publicKey)
  const sizes = new Map<string, number>()
  const shown = new Map<string, string>()
  const received: ReceivedCheckpoint[] = []
  const answered: ReceivedCheckpoint[] = []
  const listeners = new Set<() => void>()
  let deed: Deed | undefined
  const sign = (of: string, timestampSeconds = Math.floor(Date.now() / 1000)) =>
    cosign(of, { key, sign: signer.sign }, timestampSeconds)

  const addCheckpoint = async (request: IncomingMessage, response: ServerResponse) => {
    const body = parseAddCheckpoint(await text(request))
    received.push(body)
    if (deed) return deed({ received: body, response, sign })
    const { origin, size } = body.claimed
    const held = sizes.get(origin) ?? 0
    if (body.old !== held) {
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${held}\n`)
      return
    }
    const signature = await sign(body.text)
    sizes.set(origin, size)
    shown.set(origin, addSignatures(body.checkpoint, [signature]))
    response.end(formatSignatureLine(signature))
    answered.push(body)
    for (const tell of listeners) tell()
  }
  const server = createServer(async (request, response) => {
    if (request.url === '/add-checkpoint') return addCheckpoint(request, response)
    const [, note] = [...shown].find(([origin]) => request.url === `/${originHash(origin)}/checkpoint`) ?? []
    response.writeHead(note === undefined ? 404 : 200).end(note ?? '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    vkey: formatVkey(key),
    received,
    shown,
    do(next) {
      deed = next
    },
    async cosigned(holds) {
      while (!answered.some(holds))
        await new Promise<void>((resolve) => {
          const tell = () => {
            listeners.delete(tell)
            resolve()
          }
          listeners.add(tell)
        })
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
