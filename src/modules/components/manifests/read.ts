// Reads a `root.modules.yaml`: into modules with amounts in numbers, with line and column for every mistake.

import semver from 'semver'
import { PolityError } from '../../../kernel/errors.ts'
import { type Static, validate } from '../../../kernel/schema/schema.ts'
import { parseYaml } from '../../../kernel/schema/yaml-document.ts'
import { BareFile, type DeclaredModule, type ManifestModule, ResourceFile } from './schema.ts'

export type Declared = Static<typeof DeclaredModule>
type Written = Static<typeof ManifestModule>

export interface Manifests {
  /** In the order of the file. */
  readonly modules: readonly Declared[]
  /** What was read and does nothing, in sentences. */
  readonly remarks: readonly string[]
}

const SOURCE = 'root.modules.yaml'
/** Modules that no stage names load after all that are named. */
const LAST_STAGE = 100
const PRIORITY = 50

/** Throws `input.invalid` with line and column, `manifest.duplicate`. */
export function readManifests(text: string): Manifests {
  const document = parseYaml(text, SOURCE)
  const body = document.check(() => {
    const isResource =
      typeof document.value === 'object' && document.value !== null && 'spec' in document.value
    return isResource
      ? validate(ResourceFile, document.value, SOURCE).spec
      : validate(BareFile, document.value, SOURCE)
  })
  const at = isIn(document.value) ? '/spec/modules' : '/modules'
  const stageOf = document.check(() => stagesOf(body.load_sequence ?? []))
  const modules = document.check(() =>
    body.modules.map((written, position) => declaredOf(written, stageOf, `${at}/${position}`)),
  )
  requireUnique(modules, (position) => document.placeOf(`${at}/${position}`).line)
  return { modules, remarks: remarksOf(body, modules) }
}

const isIn = (value: unknown): boolean => typeof value === 'object' && value !== null && 'spec' in value

function stagesOf(
  sequence: NonNullable<Static<typeof BareFile>['load_sequence']>,
): ReadonlyMap<string, number> {
  const stages = new Map<string, number>()
  for (const { stage, modules } of sequence)
    for (const id of modules) {
      if (stages.has(id))
        throw invalid('/load_sequence', `names ${id} in stage ${stages.get(id)} and again in ${stage}`)
      stages.set(id, stage)
    }
  return stages
}

function declaredOf(written: Written, stageOf: ReadonlyMap<string, number>, pointer: string): Declared {
  const { name: id, version, group, description, priority = PRIORITY, policy } = written
  const { cpu, memory, storage } = written.resources ?? {}
  const check = written.health_check
  const resources = {
    ...amounts('cpuMillis', cpu, millisOf),
    ...amounts('memoryBytes', memory, bytesOf),
    ...amounts('storageBytes', storage, bytesOf),
  }
  requireOrder(resources, pointer)
  return {
    id,
    version,
    ...(group === undefined ? {} : { group }),
    ...(description === undefined ? {} : { description }),
    priority,
    stage: written.stage ?? written.load_stage ?? stageOf.get(id) ?? LAST_STAGE,
    isEnabled: written.enabled ?? true,
    dependencies: dependenciesOf(written, pointer),
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(check === undefined
      ? {}
      : {
          healthCheck: {
            ...(check.endpoint === undefined ? {} : { endpoint: check.endpoint }),
            ...(check.interval === undefined ? {} : { intervalMs: durationMs(check.interval) }),
            ...(check.timeout === undefined ? {} : { timeoutMs: durationMs(check.timeout) }),
            ...(check.retries === undefined ? {} : { retries: check.retries }),
          },
        }),
    ...(policy === undefined ? {} : { policy }),
  }
}

function dependenciesOf({ name, dependencies = [] }: Written, pointer: string): Declared['dependencies'] {
  const seen = new Set<string>()
  return dependencies.map((each, position) => {
    const here = `${pointer}/dependencies/${position}`
    const [, text = '', inBrackets = '*'] = typeof each === 'string' ? (DEPENDENCY.exec(each) ?? []) : []
    const id = typeof each === 'string' ? text : each.name
    const range = (typeof each === 'string' ? inBrackets : (each.version ?? '*')).trim()
    if (semver.validRange(range) === null) throw invalid(here, `has ${range}, which is no range of versions`)
    if (id === name) throw invalid(here, 'is the module itself')
    if (seen.has(id)) throw invalid(here, `names ${id} twice`)
    seen.add(id)
    return { id, range, isOptional: typeof each === 'string' ? false : (each.optional ?? false) }
  })
}

const DEPENDENCY = /^([a-z0-9][a-z0-9._-]*)(?: *\(([^()]+)\))?$/

/** `200m` are 200 thousandths of a processor. */
const millisOf = (text: string): number =>
  text.endsWith('m') ? Math.round(Number(text.slice(0, -1))) : Math.round(Number(text) * 1000)

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

function bytesOf(text: string): number {
  const [, digits = '0', unit = ''] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? []
  return Math.min(Number.MAX_SAFE_INTEGER, Number(digits) * (UNITS[unit] ?? 1))
}

const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function durationMs(text: string): number {
  const [, digits = '0', unit = 'ms'] = /^(\d+)([a-z]+)$/.exec(text) ?? []
  return Number(digits) * (DURATIONS[unit] ?? 1)
}

function amounts<N extends string>(
  name: N,
  written: { readonly request?: string; readonly limit?: string } | undefined,
  read: (text: string) => number,
): Partial<Record<N | `${N}Max`, number>> {
  const { request, limit } = written ?? {}
  return {
    ...(request === undefined ? {} : { [name]: read(request) }),
    ...(limit === undefined ? {} : { [`${name}Max`]: read(limit) }),
  } as Partial<Record<N | `${N}Max`, number>>
}

function requireOrder(resources: Readonly<Record<string, number>>, pointer: string): void {
  for (const [name, value] of Object.entries(resources)) {
    const most = resources[`${name}Max`]
    if (most !== undefined && value > most)
      throw invalid(`${pointer}/resources`, `requests more ${name} than its limit`)
  }
}

/** Names both places, because either may be the mistake. */
function requireUnique(modules: readonly Declared[], lineOf: (position: number) => number): void {
  const first = new Map<string, number>()
  for (const [position, { id }] of modules.entries()) {
    const before = first.get(id)
    if (before !== undefined)
      throw new PolityError(
        'manifest.duplicate',
        `${SOURCE}: the module ${id} is declared in line ${lineOf(before)} and again in line ${lineOf(position)}`,
        { module: id, lines: [lineOf(before), lineOf(position)] },
      )
    first.set(id, position)
  }
}

const UNREAD = [
  'groups',
  'dependency_graph',
  'version_management',
  'lifecycle_management',
  'monitoring',
] as const

function remarksOf(body: Static<typeof BareFile>, modules: readonly Declared[]): string[] {
  const unread = UNREAD.filter((name) => body[name] !== undefined)
  const withPolicy = modules.filter(({ policy }) => policy !== undefined).map(({ id }) => id)
  const started = body.modules.filter(
    (each) => each.entrypoint !== undefined || each.environment !== undefined,
  )
  return [
    ...(unread.length === 0 ? [] : [`not used: ${unread.join(', ')}`]),
    ...(started.length === 0
      ? []
      : ['not used: entrypoint, environment and auto_start, because the hub starts no modules']),
    ...(withPolicy.length === 0
      ? []
      : [`shown and NOT ENFORCED: the policy of ${withPolicy.slice(0, 10).join(', ')}`]),
    ...(modules.some(({ resources }) => resources !== undefined)
      ? ['shown and NOT ENFORCED: resources']
      : []),
  ]
}

const invalid = (pointer: string, message: string): PolityError =>
  new PolityError('input.invalid', `${SOURCE} is not valid: ${pointer} ${message}`, {
    violations: [{ pointer, message }],
  })
