// `npm run bench [-- brokers|gate|gate-growth|log|mesh|mirror|search|postgres|restore|runs|service|start|witness ...]`: the published figures, each with its method and machine.

import process from 'node:process'
import { machineLine } from './report.ts'

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  brokers: async () => (await import('./brokers.ts')).benchBrokers(),
  gate: async () => (await import('./gate.ts')).benchGate(),
  'gate-growth': async () => (await import('./gate.ts')).benchGateGrowth(),
  log: async () => (await import('./log.ts')).benchLog(),
  mesh: async () => (await import('./mesh.ts')).benchMesh(),
  mirror: async () => (await import('./mirror.ts')).benchMirror(),
  search: async () => (await import('./search.ts')).benchSearch(),
  postgres: async () => (await import('./postgres.ts')).benchPostgres(),
  restore: async () => (await import('./restore.ts')).benchRestore(),
  runs: async () => (await import('./runs.ts')).benchRuns(),
  service: async () => (await import('./service.ts')).benchService(),
  start: async () => (await import('./start.ts')).benchStart(),
  witness: async () => (await import('./witness.ts')).benchWitness(),
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  process.stderr.write(
    `there is no bench ${unknown.join(', ')}: choose from ${Object.keys(BENCHES).join(', ')}\n`,
  )
  process.exit(2)
}
process.stdout.write(`${machineLine()}\n`)
for (const [name, bench] of Object.entries(BENCHES))
  if (wanted.length === 0 ? name !== 'gate-growth' : wanted.includes(name)) await bench()
