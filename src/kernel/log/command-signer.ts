// A signer whose key is held by a program of the operator's: one request per line on its stdin, one signature per line on its stdout.

import { Buffer } from 'node:buffer'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { verify } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { decodeBase64 } from '../../kit/base64.ts'
import { ed25519NoteKey, ed25519PublicKeyOfRaw, parseVkey } from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'
import type { Signer } from './signer.ts'

export interface SignerCommand {
  /** Program and arguments; no shell reads them. */
  readonly command: readonly string[]
  /** Its public key: base64 of the 32 bytes (RFC 8032), or a verifier key of this log. */
  readonly publicKey: string
}

const SIGN_TIMEOUT_MS = 10_000
/** Base64 of 64 bytes and a line end, with room to spare. */
const LINE_MAX_CHARS = 1024
/** Requests that wait for the program. */
const WAITING_MAX = 64
const STOP_TIMEOUT_MS = 1_000

type Program = ChildProcessByStdio<Writable, Readable, null>

interface Waiting {
  readonly resolve: (line: string) => void
  readonly reject: (error: PolityError) => void
}

/**
 * Starts the program with the first request and keeps it; one that ends is started again with the next request.
 * Its stderr is the hub's. It must sign exactly the bytes it is sent (base64 of them, one line) with Ed25519 and
 * answer in order. `sign` throws `signer.failed` when it does not start, ends, is silent for `timeoutMs`, or
 * answers with anything but a signature of the bytes; such a program is ended, because what it says next may
 * belong to another request.
 */
export function commandSigner(
  name: string,
  { command, publicKey }: SignerCommand,
  timeoutMs: number = SIGN_TIMEOUT_MS,
): Signer {
  const key = ed25519NoteKey(name, rawKeyOf(name, publicKey))
  const verifying = ed25519PublicKeyOfRaw(key.publicKey)
  let session: Session | undefined
  let isClosed = false

  const signWith = async (current: Session, bytes: Uint8Array): Promise<Uint8Array> => {
    const line = await current.ask(Buffer.from(bytes).toString('base64'), timeoutMs)
    const signature = decodeBase64(line)
    if (signature !== undefined && verify(null, bytes, verifying, signature)) return signature
    throw failed('it answered with something that is no signature by its key')
  }
  return {
    key,
    async sign(bytes) {
      if (isClosed) throw failed('the hub is closing')
      if (session === undefined || session.isEnded()) session = startSession(command)
      const current = session
      try {
        return await signWith(current, bytes)
      } catch (error) {
        void current.end()
        throw error
      }
    },
    async close() {
      isClosed = true
      await session?.end()
    },
  }
}

function rawKeyOf(name: string, text: string): Uint8Array {
  try {
    const raw = decodeBase64(text)
    if (raw?.length === 32) return raw
    const key = parseVkey(text)
    if (key.name === name) return key.publicKey
    throw new TypeError(`it is a key of ${key.name}`)
  } catch (error) {
    throw new PolityError(
      'signer.failed',
      `the public key of the signer command is neither base64 of 32 bytes nor a verifier key of ${name}: ${(error as Error).message}`,
      {},
      error,
    )
  }
}

interface Session {
  /** One line for one line. */
  ask(line: string, timeoutMs: number): Promise<string>
  isEnded(): boolean
  /** Closes the program's stdin and, where that does not end it in time, kills it. */
  end(): Promise<void>
}

function startSession([file = '', ...args]: readonly string[]): Session {
  const waiting: Waiting[] = []
  let ended: PolityError | undefined
  let buffered = ''
  const exited = Promise.withResolvers<void>()
  const stop = (error: PolityError) => {
    ended ??= error
    for (const { reject } of waiting.splice(0)) reject(ended)
  }
  const program: Program = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], shell: false })
  program.on('error', (error) => {
    stop(failed(`it does not start: ${error.message}`))
    exited.resolve()
  })
  program.on('exit', (code, signal) => {
    stop(failed(`it ended with ${signal ?? code}`))
    exited.resolve()
  })
  // A program that is gone closes its end of the pipe; that it is gone is told by its exit.
  program.stdin.on('error', () => undefined)
  program.stdout.setEncoding('latin1').on('data', (text: string) => {
    buffered += text
    for (let at = buffered.indexOf('\n'); at >= 0; at = buffered.indexOf('\n')) {
      const line = buffered.slice(0, at)
      buffered = buffered.slice(at + 1)
      const asked = waiting.shift()
      if (asked) asked.resolve(line)
      else stop(failed('it speaks without being asked'))
    }
    if (buffered.length > LINE_MAX_CHARS) stop(failed('its line does not end'))
  })
  return {
    ask: (line, timeoutMs) => askProgram({ program, waiting, ended }, line, timeoutMs),
    isEnded: () => ended !== undefined,
    async end() {
      stop(failed('it was ended'))
      program.stdin.end()
      const timer = setTimeout(() => program.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await exited.promise
      clearTimeout(timer)
    },
  }
}

async function askProgram(
  { program, waiting, ended }: { program: Program; waiting: Waiting[]; ended: PolityError | undefined },
  line: string,
  timeoutMs: number,
): Promise<string> {
  if (ended) throw ended
  if (waiting.length >= WAITING_MAX) throw failed(`${WAITING_MAX} requests are waiting for it`)
  const answer = Promise.withResolvers<string>()
  const timer = setTimeout(() => answer.reject(failed(`it did not answer within ${timeoutMs} ms`)), timeoutMs)
  waiting.push(answer)
  program.stdin.write(`${line}\n`)
  try {
    return await answer.promise
  } finally {
    clearTimeout(timer)
  }
}

const failed = (why: string): PolityError =>
  new PolityError('signer.failed', `the signer command failed: ${why}`, { reason: why })
