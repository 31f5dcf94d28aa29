// GitHub workflows as the checks see them: triggers, permissions, jobs and steps, with their lines.

import { member, parseYaml, scalarOf, YamlError, type YamlNode } from './yaml.ts'

export type Permissions =
  | { readonly kind: 'undeclared' }
  | { readonly kind: 'all'; readonly level: 'read' | 'write'; readonly line: number }
  | { readonly kind: 'map'; readonly writes: readonly { readonly scope: string; readonly line: number }[] }

export interface Step {
  readonly uses: string | undefined
  readonly run: string | undefined
  readonly with: ReadonlyMap<string, string>
  readonly line: number
}

export interface Job {
  readonly id: string
  readonly line: number
  readonly permissions: Permissions
  readonly steps: readonly Step[]
}

export type Workflow =
  | {
      readonly kind: 'parsed'
      readonly path: string
      readonly triggers: ReadonlySet<string>
      readonly permissions: Permissions
      readonly jobs: readonly Job[]
    }
  | { readonly kind: 'unreadable'; readonly path: string; readonly line: number; readonly reason: string }

export type ParsedWorkflow = Extract<Workflow, { kind: 'parsed' }>

const MAX_JOBS = 1_000
const MAX_STEPS = 5_000

export const isWorkflow = (path: string): boolean => /^\.github\/workflows\/[^/]+\.ya?ml$/i.test(path)

/** @param text undefined when the content is not here */
export function readWorkflow(path: string, text: string | undefined): Workflow {
  if (text === undefined) return { kind: 'unreadable', path, line: 1, reason: 'its content is not here' }
  try {
    const root = parseYaml(text)
    const jobs = member(root, 'jobs')
    return {
      kind: 'parsed',
      path,
      triggers: triggersOf(member(root, 'on')),
      permissions: permissionsOf(member(root, 'permissions')),
      jobs:
        jobs?.kind === 'map'
          ? jobs.entries.slice(0, MAX_JOBS).map(({ key, line, value }) => jobOf(key, line, value))
          : [],
    }
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    return { kind: 'unreadable', path, line: error.line, reason: error.message }
  }
}

function triggersOf(node: YamlNode | undefined): Set<string> {
  if (node?.kind === 'scalar') return new Set([node.value])
  if (node?.kind === 'list') return new Set(node.items.flatMap((item) => scalarOf(item) ?? []))
  return new Set(node?.entries.map((entry) => entry.key))
}

function permissionsOf(node: YamlNode | undefined): Permissions {
  if (!node) return { kind: 'undeclared' }
  if (node.kind === 'scalar') {
    const level = node.value === 'write-all' ? 'write' : 'read'
    return { kind: 'all', level, line: node.line }
  }
  if (node.kind === 'list') return { kind: 'undeclared' }
  const writes = node.entries.filter(({ value }) => scalarOf(value) === 'write')
  return { kind: 'map', writes: writes.map(({ key, line }) => ({ scope: key, line })) }
}

function jobOf(id: string, line: number, node: YamlNode): Job {
  const steps = member(node, 'steps')
  // A job that calls a reusable workflow is one step of it.
  const call = scalarOf(member(node, 'uses'))
  return {
    id,
    line,
    permissions: permissionsOf(member(node, 'permissions')),
    steps: [
      ...(call === undefined ? [] : [stepOf(node)]),
      ...(steps?.kind === 'list' ? steps.items.slice(0, MAX_STEPS).map(stepOf) : []),
    ],
  }
}

function stepOf(node: YamlNode): Step {
  const uses = member(node, 'uses')
  const run = member(node, 'run')
  const inputs = member(node, 'with')
  const pairs =
    inputs?.kind === 'map'
      ? inputs.entries.map(({ key, value }) => [key, scalarOf(value) ?? ''] as const)
      : []
  return { uses: scalarOf(uses), run: scalarOf(run), with: new Map(pairs), line: (uses ?? run ?? node).line }
}
