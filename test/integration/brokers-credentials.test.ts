// A NATS server in operator mode: `.creds` files (a JWT and the seed of its nkey) let a hub in, and no others do.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, credsAuthenticator } from '@nats-io/transport-node'
import { expect, it, onTestFinished } from 'vitest'
import type { Broker } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { certify, describeWithOpenssl } from '../conformance/broker/certificate.ts'
import { credentialsOf, type NatsUser, natsOperator } from '../conformance/broker/nats-operator.ts'
import { type BrokerSetup, describeWithBroker, openBrokerProcess } from '../fault/broker-process.ts'
import { entriesOf, errorOf, openTestHub, tempFolder } from './lab/hubs.ts'
import { asking, until } from './lab/webhooks.ts'

const STREAM = 'EVENTS'

async function start({ args = [], ...setup }: BrokerSetup = {}) {
  const operator = natsOperator()
  const { root } = tempFolder()
  const configuration = join(root, 'operator.conf')
  writeFileSync(configuration, operator.configuration)
  const server = await openBrokerProcess('nats', { ...setup, args: ['-c', configuration, ...args] })
  onTestFinished(() => server.remove())
  await server.start()
  const path = join(root, 'user.creds')
  const keep = (text: string) => writeFileSync(path, text, { mode: 0o600 })
  return { operator, server, url: `${server.url}?credentials=file:${path}`, keep }
}

async function makeStream(port: number, { credentials }: NatsUser): Promise<void> {
  const authenticator = credsAuthenticator(Buffer.from(credentials))
  const connection = await connect({ servers: `127.0.0.1:${port}`, authenticator })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: STREAM, subjects: ['events.>', 'incoming.>'] })
  await connection.close()
}

const open = (url: string): Promise<Broker> =>
  openBroker(url, {
    env: systemEnv(),
    secret: async (reference) => readFileSync(reference.slice('file:'.length), 'utf8'),
  })

async function reach(url: string): Promise<Broker> {
  const broker = await open(url)
  onTestFinished(() => broker.close())
  return broker
}

const message = (place: string) => ({ id: `id-${place}`, place, headers: {}, body: Buffer.from('{"n":1}') })

describeWithBroker('nats', 'a broker nats with credentials', () => {
  it('lets in the user that they name: it is looked at, sent to and followed', async () => {
    const { operator, server, url, keep } = await start()
    const user = operator.user()
    keep(user.credentials)
    await makeStream(server.port, user)
    const broker = await reach(url)
    expect((await broker.probe([])).kind).toBe('nats')
    expect(await broker.send([message('incoming.a')])).toEqual(['stored'])
    const receiver = await broker.follow({ stream: STREAM, group: 'g', ackWaitMs: 5000, from: 'start' })
    const [got] = await receiver.receive({ max: 1, waitMs: 10_000, signal: new AbortController().signal })
    expect(JSON.parse(Buffer.from(got?.body ?? '').toString())).toEqual({ n: 1 })
    await receiver.close()
  })

  it('refuses all others with a code, and shows neither token nor seed', async () => {
    const { operator, url, keep } = await start()
    const good = operator.user()
    const foreign = natsOperator().user()
    const ended = operator.user({ endsInSeconds: -60 })
    const [head = '', body = '', signature = ''] = good.jwt.split('.')
    const forged = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), name: 'forged' }
    const forgedBody = Buffer.from(JSON.stringify(forged)).toString('base64url')
    const attempts: Readonly<Record<string, string>> = {
      'of another operator': foreign.credentials,
      'that has ended': ended.credentials,
      'with claims that nobody signed': credentialsOf(`${head}.${forgedBody}.${signature}`, good.seed),
      'with the seed of another': credentialsOf(good.jwt, operator.user().seed),
      'that are none': 'no credentials at all',
      'without a seed': good.credentials.split('\n\n')[0] ?? '',
      'that are empty': '',
    }
    for (const [what, credentials] of Object.entries(attempts)) {
      keep(credentials)
      const broker = await reach(url).catch((error: unknown) => error)
      const error = broker instanceof Error ? broker : await errorOf((broker as Broker).probe([]))
      expect([what, (error as { code?: string }).code]).toEqual([what, 'broker.denied'])
      const shown = inspect(error, { depth: 10, showHidden: true })
      for (const secret of [good.seed, foreign.seed, good.jwt, foreign.jwt, ended.jwt])
        expect(shown).not.toContain(secret)
    }
  })

  it('says of what the user may not send that it is refused, and takes the rest', async () => {
    const { operator, server, url, keep } = await start()
    await makeStream(server.port, operator.user())
    keep(operator.user({ mayPublish: ['events.mine', '$JS.>'] }).credentials)
    const broker = await reach(url)
    const outcomes = await broker.send(['events.mine', 'events.others', 'events.mine.too'].map(message))
    expect(outcomes).toMatchObject(['stored', { code: 'broker.refused' }, { code: 'broker.refused' }])
    expect(String(outcomes[1])).toMatch(/permission/i)
    expect(await broker.send([message('events.mine')])).toEqual(['known'])
  })

  it('is reached by a sink that waited, as soon as the file holds credentials that are good', async () => {
    const { operator, server, url, keep } = await start()
    const user = operator.user()
    await makeStream(server.port, user)
    keep(operator.user({ endsInSeconds: -60 }).credentials)
    const hub = await openTestHub('memory', {
      modules: [meshModule(), brokersModule({ brokers: { main: () => open(url) } })],
    })
    const { ask, query, publish } = asking(hub)
    interface Flows {
      readonly items: readonly { readonly error?: string; readonly lag?: number; readonly setAside: number }[]
    }
    const flow = async () => (await query<Flows>('brokers.status')).items[0]
    await ask('brokers.sink-put', { name: 'out', broker: 'main', to: 'events.{type}', types: ['order.*'] })
    await publish('order.created', { n: 1 })
    await until(async () => (await flow())?.error?.includes('does not let this hub in') === true)
    keep(user.credentials)
    await until(async () => (await flow())?.error === undefined && (await flow())?.lag === 0)
    expect((await flow())?.setAside).toBe(0)
    const receiver = await (await reach(url)).follow({
      stream: STREAM,
      group: 'look',
      ackWaitMs: 5000,
      from: 'start',
    })
    const got = await receiver.receive({ max: 10, waitMs: 10_000, signal: new AbortController().signal })
    expect(got.map(({ place }) => place)).toEqual(['events.order.created'])
    await receiver.close()
    expect(JSON.stringify(await entriesOf(hub))).not.toContain(user.seed)
  })
})

describeWithOpenssl('a broker nats with credentials behind TLS', () =>
  describeWithBroker('nats', 'a broker nats with credentials behind TLS', () => {
    it('lets in who has both, and hands no credentials to a server that it does not believe', async () => {
      const { key, certificate } = certify('DNS:localhost')
      const { operator, server, keep, url } = await start({
        isEncrypted: true,
        args: ['--tls', '--tlscert', certificate, '--tlskey', key],
      })
      keep(operator.user().credentials)
      const named = url.replace('127.0.0.1', 'localhost')
      expect(server.url).toMatch(/^tls:/)
      expect((await (await reach(`${named}&ca=file:${certificate}`)).probe([])).kind).toBe('nats')
      expect(await errorOf((await reach(named)).probe([]))).toMatchObject({ code: 'broker.untrusted' })
    })
  }),
)
