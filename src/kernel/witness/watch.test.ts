// A database that is away for a while: the watchers of policies and of followed logs say so once, and notice what changed when it is back.

import { setImmediate } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { recordAsHub } from '../catalog/hub-records.ts'
import type { RoomHost } from '../catalog/room.ts'
import { type Env, systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { Views } from '../log/views.ts'
import { openRealm } from '../realm/open-realm.ts'
import { followedLogs, LogFollowed, PolicySet } from './contract.ts'
import { openCosigner } from './cosigner.ts'
import { testLog } from './fixtures/test-log.ts'
import { openMonitor } from './monitor.ts'
import { witnessContract } from './room.ts'
import { watchLog } from './watch.ts'
import { openWitnessKey } from './witness-key.ts'

const alerts = { raise: async () => undefined, settle: async () => undefined }
/** Nobody listens there. */
const followed = (url = 'http://127.0.0.1:1/log') => {
  const { origin, vkey } = testLog()
  return { origin, vkey, url }
}

/** A realm whose reads can be made to fail. */
async function lab() {
  // Waiting costs no time: what is tested is what happens, not when.
  const env: Env = {
    ...systemEnv(),
    sleepUntil: (_, signal) => setImmediate(undefined, signal && { signal }),
  }
  const told: string[] = []
  const realm = await openRealm({
    name: 'test',
    contracts: [{ url: witnessContract.url, exports: witnessContract.exports }],
    env: systemEnv(),
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })
  onTestFinished(() => realm.close())
  const outage = { code: undefined as 'store.unreachable' | 'store.readonly' | undefined, failed: 0 }
  const away = <T extends object>(port: T, methods: readonly (keyof T)[]): T =>
    new Proxy(port, {
      get(target, name, self) {
        const value: unknown = Reflect.get(target, name, self)
        if (outage.code === undefined || !methods.includes(name as keyof T)) return value
        outage.failed += 1
        const { code } = outage
        return () => Promise.reject(new PolityError(code, `away ${outage.failed}`))
      },
    })
  const record: RoomHost['record'] = (...facts) =>
    recordAsHub({ log: realm.log, env: systemEnv(), source: 'polity://test' }, ...facts)
  const host = {
    realm: {
      ...realm,
      committed: away(realm.committed, ['get', 'list']),
      reader: away(realm.reader, ['load']),
    },
    env,
    record,
    onFailure: ({ code }: PolityError) => void told.push(code),
  }
  return {
    host,
    told,
    record: (draft: Draft) => record([draft], {}, { wait: 'signed' }),
    goAway: (code: typeof outage.code = 'store.unreachable') => {
      outage.code = code
    },
    comeBack: () => {
      outage.code = undefined
    },
    /** Resolves after so many more reads that failed. */
    async failures(count: number) {
      const until = outage.failed + count
      while (outage.failed < until) await setImmediate()
    },
  }
}

it('logs that are followed meanwhile are followed afterwards', async () => {
  const { host, told, record, goAway, comeBack, failures } = await lab()
  const monitor = openMonitor({ host, alerts })
  onTestFinished(() => monitor.close())
  const follow = (name: string) => record(LogFollowed(followed(`http://127.0.0.1:1/${name}`)))
  const noticed = async (name: string) => {
    while (monitor.standing(`http://127.0.0.1:1/${name}`) === undefined) await setImmediate()
  }
  goAway()
  await follow('during')
  await failures(5)
  expect(told).toEqual(['store.unreachable'])
  comeBack()
  await noticed('during')
  await follow('after')
  await noticed('after')
  expect(told.filter((code) => code === 'store.unreachable')).toHaveLength(1)
})

it('a log is not judged before it is known what it showed, and is looked at when that can be read', async () => {
  const { host, told, record, goAway, comeBack, failures } = await lab()
  const { committed } = host.realm
  await record(LogFollowed(followed()))
  const rows = await committed.list(followedLogs, { limit: 1 })
  goAway()
  // What is followed can be read, and how far it was verified cannot.
  const list = (async () => rows) as typeof committed.list
  const monitor = openMonitor({
    host: { ...host, realm: { ...host.realm, committed: { ...committed, list } } },
    alerts,
  })
  onTestFinished(() => monitor.close())
  await failures(5)
  expect(told).toEqual(['store.unreachable'])
  comeBack()
  while (!told.includes('peer.unreachable')) await setImmediate()
  expect(told).toEqual(['store.unreachable', 'peer.unreachable'])
})

it('a policy that is set meanwhile is in force afterwards, and so is the one before it when it is set again', async () => {
  const { host, told, record, goAway, comeBack, failures } = await lab()
  const cosigner = await openCosigner({ host, alerts })
  onTestFinished(() => cosigner.close())
  const texts = ['one', 'two'].map((name) => `log ${testLog(`log.example/${name}`).vkey}\nquorum none\n`)
  const [one = '', two = ''] = texts
  const inForce = async (text: string) => {
    while (cosigner.inForce()?.text !== text) await setImmediate()
  }
  await record(PolicySet({ policy: one }))
  await inForce(one)
  for (const next of [two, one]) {
    goAway()
    await record(PolicySet({ policy: next }))
    await failures(5)
    comeBack()
    await inForce(next)
  }
  expect(told).toEqual(['store.unreachable', 'store.unreachable'])
})

it('a policy whose successor could not be put in force, and that is set again, is served anew', async () => {
  const { host, record, goAway, comeBack, failures } = await lab()
  const { vkey } = openWitnessKey('witness.example', undefined, () => undefined)
  const asking = `log ${testLog().vkey}\nwitness w ${vkey} http://127.0.0.1:1\nquorum w\n`
  const required: (string | undefined)[] = []
  let policy = asking
  // The policy can be read, and what was collected under it cannot.
  const get = (async () => ({ version: 1, value: { policy } })) as unknown as Views['get']
  const witnessed = { ...host.realm.witnessed, require: (quorum?: string) => void required.push(quorum) }
  const realm = { ...host.realm, witnessed, committed: { ...host.realm.committed, get } }
  const cosigner = await openCosigner({ host: { ...host, realm }, alerts })
  onTestFinished(() => cosigner.close())
  goAway()
  policy = `log ${testLog().vkey}\nquorum none\n`
  await record(LogFollowed(followed()))
  await failures(3)
  policy = asking
  await failures(3)
  comeBack()
  while (required.length < 2) await setImmediate()
  expect(required).toEqual(['w', 'w'])
})

it('says each kind of failure once, and again after it worked', async () => {
  const { host, told, record, goAway, comeBack, failures } = await lab()
  const ended = new AbortController()
  let looks = 0
  const look = async () => {
    await host.realm.reader.load('table', ['key'])
    looks += 1
  }
  const watching = watchLog({ host, look }, ended.signal)
  const looked = async (count: number) => {
    while (looks < count) await setImmediate()
  }
  await looked(1)
  goAway()
  await record(LogFollowed(followed()))
  await failures(10)
  goAway('store.readonly')
  await failures(10)
  comeBack()
  await looked(2)
  goAway()
  await record(LogFollowed(followed()))
  await failures(10)
  ended.abort()
  await watching
  expect(told).toEqual(['store.unreachable', 'store.readonly', 'store.unreachable'])
})

it('looks again at what was published while it looked', async () => {
  const { host, record } = await lab()
  const ended = new AbortController()
  let looks = 0
  const again = Promise.withResolvers<void>()
  const look = async () => {
    looks += 1
    if (looks === 1) await record(LogFollowed(followed()))
    else again.resolve()
  }
  const watching = watchLog({ host, look }, ended.signal)
  await again.promise
  ended.abort()
  await watching
})
