// A timestamping authority on this machine: openssl signs, a tiny HTTP server carries, and it can be told to misbehave.

import { execFileSync } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { timestampRequest } from '../../src/kernel/timestamp/timestamp.ts'

export type Manner =
  | 'honest'
  | 'other-digest'
  | 'other-nonce'
  | 'refusal'
  | 'garbage'
  | 'oversized'
  | 'silent'
  | 'redirect'
  | 'status-500'

export interface AuthorityOptions {
  /** `ec` by default. */
  readonly algorithm?: 'ec' | 'rsa'
  /** Purposes of its certificate; default: timestamping alone, critical. */
  readonly extendedKeyUsage?: string
  /** Validity of its certificate, as openssl takes it; default: from now, for a year. */
  readonly validity?: readonly string[]
}

export interface TestAuthority {
  readonly url: string
  /** PEM of who certified it, and of itself. */
  readonly ca: string
  readonly certificate: string
  manner: Manner
  readonly asked: number
  /** Its answer to a request (DER), whatever its manner is. */
  reply(request: Uint8Array): Buffer
  close(): Promise<void>
}

/** Whether this machine has openssl with `ts`; without it there is nobody to ask. */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const CONFIG = `
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[tsa]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = USAGE
[ts]
serial = DIR/serial
signer_cert = DIR/tsa.pem
signer_key = DIR/tsa.key
certs = DIR/ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
accuracy = secs:1
[req]
distinguished_name = name
[name]
`

export async function startAuthority(dir: string, options: AuthorityOptions = {}): Promise<TestAuthority> {
  const { algorithm = 'ec', extendedKeyUsage = 'critical, timeStamping' } = options
  const config = join(dir, 'openssl.cnf')
  writeFileSync(config, CONFIG.replace('USAGE', extendedKeyUsage).replaceAll('DIR', dir))
  writeFileSync(join(dir, 'serial'), '01\n')
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    })
  const key = (name: string) =>
    algorithm === 'rsa'
      ? openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', name)
      : openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', name)
  key('ca.key')
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'ca.key',
    '-subj',
    '/CN=Test root',
    '-days',
    '3650',
    '-config',
    config,
    '-extensions',
    'ca',
    '-out',
    'ca.pem',
  )
  key('tsa.key')
  openssl(
    'req',
    '-new',
    '-key',
    'tsa.key',
    '-subj',
    '/CN=Test authority',
    '-config',
    config,
    '-out',
    'tsa.csr',
  )
  const validity = options.validity ?? ['-days', '365']
  openssl(
    'x509',
    '-req',
    '-in',
    'tsa.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    ...validity,
    '-extfile',
    config,
    '-extensions',
    'tsa',
    '-out',
    'tsa.pem',
  )
  const reply = (request: Uint8Array): Buffer => {
    writeFileSync(join(dir, 'query.tsq'), request)
    openssl(
      'ts',
      '-reply',
      '-config',
      config,
      '-section',
      'ts',
      '-queryfile',
      'query.tsq',
      '-out',
      'reply.tsr',
    )
    return readFileSync(join(dir, 'reply.tsr'))
  }
  const authority = { manner: 'honest' as Manner, asked: 0 }
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      authority.asked += 1
      respond(response, authority.manner, Buffer.concat(parts), reply)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(authority, {
    url: `http://127.0.0.1:${port}/`,
    ca: readFileSync(join(dir, 'ca.pem'), 'utf8'),
    certificate: readFileSync(join(dir, 'tsa.pem'), 'utf8'),
    reply,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

/** PKIStatusInfo rejection (2), and no token. */
const REFUSAL = Buffer.from('30053003020102', 'hex')

function respond(
  response: ServerResponse,
  manner: Manner,
  request: Buffer,
  reply: (request: Uint8Array) => Buffer,
): void {
  const send = (body: Uint8Array) =>
    response.writeHead(200, { 'content-type': 'application/timestamp-reply' }).end(body)
  switch (manner) {
    case 'honest':
      return void send(reply(request))
    case 'other-digest':
      return void send(reply(timestampRequest(hash('sha256', 'other', 'buffer'), nonceOf(request))))
    case 'other-nonce':
      return void send(reply(timestampRequest(digestOf(request), randomBytes(16))))
    case 'refusal':
      return void send(REFUSAL)
    case 'garbage':
      return void send(Buffer.from('<html>welcome</html>'))
    case 'oversized':
      return void send(Buffer.alloc(1_000_000, 0x30))
    case 'silent':
      return
    case 'redirect':
      return void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    case 'status-500':
      return void response.writeHead(500).end('out of order')
  }
}

// Our own requests have one form: the digest after its OCTET STRING header, the nonce after its INTEGER header.
const digestOf = (request: Buffer): Buffer => {
  const at = request.indexOf(Buffer.from('0420', 'hex'))
  return request.subarray(at + 2, at + 34)
}
const nonceOf = (request: Buffer): Buffer => {
  const at = request.indexOf(Buffer.from('0420', 'hex')) + 34
  return request.subarray(at + 2, at + 2 + (request[at + 1] ?? 0))
}
