// Brokers behind a password and TLS: whom a hub believes, what it says when it is not let in, and that no secret shows.

import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import type { Broker } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { type Certificate, certify, describeWithOpenssl } from '../conformance/broker/certificate.ts'
import {
  type BrokerProcess,
  type BrokerSetup,
  describeWithBroker,
  openBrokerProcess,
  type Product,
} from '../fault/broker-process.ts'
import { errorOf, openTestHub } from './lab/hubs.ts'
import { asking, until } from './lab/webhooks.ts'

const PASSWORD = 'correct horse/battery:staple@#%'
const WRONG = 'wrong horse'
const PRODUCTS = ['nats', 'redis'] as const satisfies readonly Product[]
const PLAIN: Readonly<Record<Product, string>> = { nats: 'nats', redis: 'redis' }
const ENCRYPTED: Readonly<Record<Product, string>> = { nats: 'tls', redis: 'rediss' }

const asked: Readonly<Record<Product, readonly string[]>> = {
  nats: ['--user', 'polity', '--pass', PASSWORD],
  redis: ['--requirepass', PASSWORD],
}
const USERS: Readonly<Record<Product, string>> = { nats: 'polity', redis: 'default' }

const encrypted = (product: Product, { key, certificate }: Certificate): BrokerSetup => ({
  isEncrypted: true,
  args:
    product === 'nats'
      ? ['--tls', '--tlscert', certificate, '--tlskey', key]
      : ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate].concat([
          '--tls-auth-clients',
          'no',
        ]),
})

async function start(product: Product, setup: BrokerSetup): Promise<BrokerProcess> {
  const server = await openBrokerProcess(product, setup)
  onTestFinished(() => server.remove())
  await server.start()
  return server
}

/** References as the configuration names them: `env:NAME` stands here, files are read. */
async function reach(url: string, secrets: Readonly<Record<string, string>> = {}): Promise<Broker> {
  const broker = await openBroker(url, {
    env: systemEnv(),
    secret: async (reference) =>
      reference.startsWith('file:') ? readFileSync(reference.slice(5), 'utf8') : (secrets[reference] ?? ''),
  })
  onTestFinished(() => broker.close())
  return broker
}

async function refusal(work: Promise<unknown>): Promise<PolityError> {
  const error = await errorOf(work)
  expect(error).toBeInstanceOf(PolityError)
  // With the cause and all of its properties.
  const shown = inspect([error, error.stack, error.facts], { depth: 10, showHidden: true })
  for (const secret of [PASSWORD, WRONG])
    for (const spelled of [secret, encodeURIComponent(secret)]) expect(shown).not.toContain(spelled)
  return error
}

for (const product of PRODUCTS)
  describeWithBroker(product, `a broker ${product} with a password`, () => {
    const url = ({ port }: BrokerProcess, query: string) => `${PLAIN[product]}://127.0.0.1:${port}${query}`

    it('lets in who knows it', async () => {
      const server = await start(product, { args: asked[product] })
      const broker = await reach(url(server, `?user=${USERS[product]}&password=env:PASSWORD`), {
        'env:PASSWORD': PASSWORD,
      })
      expect((await broker.probe([])).kind).toBe(product)
    })

    it.each([
      ['a wrong one', (user: string) => `?user=${user}&password=env:WRONG`],
      ['an unknown user', () => '?user=nobody&password=env:PASSWORD'],
      ['none', () => ''],
    ])('refuses %s with a code, and shows neither', async (_, query) => {
      const server = await start(product, { args: asked[product] })
      const broker = await reach(url(server, query(USERS[product])), {
        'env:PASSWORD': PASSWORD,
        'env:WRONG': WRONG,
      })
      const message = { id: 'a', place: 'here', headers: {}, body: Buffer.from('{}') }
      const options = { stream: 'here', group: 'g', ackWaitMs: 1000, from: 'start' } as const
      for (const ask of [
        () => broker.probe([]),
        // All of the batch, and none of its messages alone: it waits, and is in order still.
        () => broker.send([message]),
        () => broker.follow(options),
      ])
        expect(await refusal(ask())).toMatchObject({
          code: 'broker.denied',
          message: expect.stringContaining('password'),
        })
    })

    it('is asked with the new one once it was changed, by a sink that waited meanwhile', async () => {
      const server = await start(product, { args: asked[product] })
      const given = { password: WRONG }
      const hub = await openTestHub('memory', {
        modules: [
          meshModule(),
          brokersModule({
            brokers: {
              main: (env) =>
                openBroker(url(server, `?user=${USERS[product]}&password=env:IT`), {
                  env,
                  secret: async () => given.password,
                }),
            },
          }),
        ],
      })
      const { ask, query, publish } = asking(hub)
      interface Flows {
        readonly items: readonly {
          readonly error?: string
          readonly lag?: number
          readonly setAside: number
        }[]
      }
      const flow = async () => (await query<Flows>('brokers.status')).items[0]
      await ask('brokers.sink-put', { name: 'out', broker: 'main', to: 'here', types: ['order.*'] })
      await publish('order.created')
      await until(async () => (await flow())?.error?.includes('does not let this hub in') === true)
      given.password = PASSWORD
      // No stream of NATS takes it: from now on the message is refused, and no more the hub.
      await until(async () => (await flow())?.error === undefined)
      expect((await flow())?.setAside).toBe(0)
    })
  })

describeWithBroker('nats', 'a broker nats with a token', () => {
  it('lets in who has it, and nobody else', async () => {
    const server = await start('nats', { args: ['--auth', PASSWORD] })
    const url = (name: string) => `nats://127.0.0.1:${server.port}?token=env:${name}`
    const secrets = { 'env:RIGHT': PASSWORD, 'env:WRONG': WRONG }
    expect((await (await reach(url('RIGHT'), secrets)).probe([])).kind).toBe('nats')
    expect(await refusal((await reach(url('WRONG'), secrets)).probe([]))).toMatchObject({
      code: 'broker.denied',
    })
  })
})

for (const product of PRODUCTS)
  describeWithOpenssl(`a broker ${product} behind TLS`, () =>
    describeWithBroker(product, `a broker ${product} behind TLS`, () => {
      const at = (host: string, { port }: BrokerProcess, ca?: string) =>
        `${ENCRYPTED[product]}://${host}:${port}${ca === undefined ? '' : `?ca=file:${ca}`}`

      it.each([
        ['a name', 'localhost', 'DNS:localhost'],
        ['an address', '127.0.0.1', 'IP:127.0.0.1'],
      ])('is believed under %s that its certificate has', async (_, host, names) => {
        const own = certify(names)
        const server = await start(product, encrypted(product, own))
        const broker = await reach(at(host, server, own.certificate))
        expect((await broker.probe([])).kind).toBe(product)
      })

      it.each([
        ['whose authority nobody knows', '127.0.0.1', undefined],
        ['of another authority', '127.0.0.1', 'other'],
        ['of another name', 'localhost', 'own'],
      ] as const)('is not believed with a certificate %s', async (_, host, authority) => {
        const own = certify('IP:127.0.0.1')
        const server = await start(product, encrypted(product, own))
        const ca = { own: own.certificate, other: certify('IP:127.0.0.1').certificate }
        const broker = await reach(at(host, server, authority && ca[authority]))
        expect(await refusal(broker.probe([]))).toMatchObject({
          code: 'broker.untrusted',
          message: expect.stringContaining('ca=file:'),
        })
      })

      it('is not believed under an address with a certificate for localhost', async () => {
        const own = certify('DNS:localhost')
        const server = await start(product, encrypted(product, own))
        const broker = await reach(at('127.0.0.1', server, own.certificate))
        expect(await refusal(broker.probe([]))).toMatchObject({ code: 'broker.untrusted' })
      })

      it('does not fall back to plain text with one that speaks no TLS', async () => {
        const server = await start(product, {})
        const broker = await reach(at('127.0.0.1', server))
        expect((await refusal(broker.probe([]))).code).toMatch(/^broker\.(?:unreachable|untrusted)$/)
      })
    }),
  )

describeWithBroker('redis', 'a connection to Redis', () => {
  it('reads the password anew when it was changed there and the connection was ended', async () => {
    const server = await start('redis', { args: asked.redis })
    const given = { password: PASSWORD }
    const broker = await openBroker(`redis://127.0.0.1:${server.port}?password=env:IT`, {
      env: systemEnv(),
      secret: async () => given.password,
    })
    onTestFinished(() => broker.close())
    await broker.probe([])
    const other = 'another horse'
    const admin = new Redis({ port: server.port, password: PASSWORD })
    onTestFinished(() => admin.disconnect())
    await admin.config('SET', 'requirepass', other)
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until(async () => (await errorOf(broker.probe([]))).code === 'broker.denied')
    given.password = other
    await until(() =>
      broker.probe([]).then(
        () => true,
        () => false,
      ),
    )
  })

  it('shows nothing of an event that the server refuses', async () => {
    const server = await start('redis', {})
    const broker = await reach(server.url)
    const admin = new Redis({ port: server.port })
    onTestFinished(() => admin.disconnect())
    await admin.set('here', 'no stream')
    const [outcome] = await broker.send([
      { id: 'a', place: 'here', headers: {}, body: Buffer.from(PASSWORD) },
    ])
    if (!(outcome instanceof PolityError)) throw new Error('it was taken')
    expect(await refusal(Promise.reject(outcome))).toMatchObject({ code: 'broker.refused' })
    expect(inspect(outcome, { depth: 10 })).not.toContain(Buffer.from(PASSWORD).toString('hex'))
    expect(inspect(outcome, { depth: 10, showHidden: true })).not.toContain('<Buffer')
  })
})
