// Whether what a build downloads is named by its hash (Pinned-Dependencies).

import { displayText } from '../git/display.ts'
import { MAX_PATH_CHARS } from '../limits.ts'
import { isVendored } from '../tree/paths.ts'
import {
  baseName,
  type Check,
  type CheckInput,
  known,
  plural,
  type RawFinding,
  unknown,
  unread,
} from './check.ts'

type Ecosystem =
  | 'github-action'
  | 'third-party-action'
  | 'container'
  | 'npm'
  | 'pip'
  | 'go'
  | 'nuget'
  | 'download'

interface Dependency {
  readonly ecosystem: Ecosystem
  readonly isPinned: boolean
  readonly text: string
  readonly path: string
  readonly line: number
}

/** Actions of GitHub's own count 2, other actions 8, every other ecosystem 10. */
const WEIGHT = { 'github-action': 2, 'third-party-action': 8 } as const
const OTHER_WEIGHT = 10

export const pinnedDependencies: Check = {
  id: 'Pinned-Dependencies',
  weight: 5,
  run(input) {
    const dependencies = [...actionsOf(input), ...commandsOf(input), ...imagesOf(input)]
    if (dependencies.length === 0 && !unreadFile(input))
      return unknown('no build downloads anything that is seen here')
    const findings = dependencies.filter(({ isPinned }) => !isPinned).map(unpinned)
    const path = unreadFile(input)
    if (path) return unread(`${displayText(path, MAX_PATH_CHARS)} could not be read`, findings)
    const reason =
      findings.length === 0
        ? 'every dependency of the build is pinned'
        : `${findings.length} of ${plural(dependencies.length, 'dependency', 'dependencies')} of the build not pinned`
    return known(proportionalScore(dependencies), reason, findings)
  },
}

/** A build file whose dependencies are not known. */
function unreadFile({ files, texts, workflows }: CheckInput): string | undefined {
  const workflow = workflows.find(({ kind }) => kind === 'unreadable')
  return workflow?.path ?? files.find(({ path }) => isReadForPinning(path) && !texts.has(path))?.path
}

function proportionalScore(dependencies: readonly Dependency[]): number {
  const groups = Map.groupBy(dependencies, ({ ecosystem }) => ecosystem)
  const hasBoth = groups.has('github-action') && groups.has('third-party-action')
  let weighted = 0
  let full = 0
  for (const [ecosystem, members] of groups) {
    const isAction = ecosystem === 'github-action' || ecosystem === 'third-party-action'
    const weight = isAction && hasBoth ? WEIGHT[ecosystem] : OTHER_WEIGHT
    weighted += (weight * members.filter(({ isPinned }) => isPinned).length) / members.length
    full += weight
  }
  return Math.floor((10 * weighted) / full + 1e-9)
}

function actionsOf(input: CheckInput): Dependency[] {
  return input.workflows.flatMap((workflow) => {
    if (workflow.kind !== 'parsed') return []
    const steps = workflow.jobs.flatMap((job) => job.steps)
    return steps.flatMap(({ uses, line }): Dependency[] => {
      // What lies in the repository itself is as pinned as the repository.
      if (uses === undefined || uses.startsWith('./')) return []
      const isImage = uses.startsWith('docker://')
      const isPinned = isImage ? /@sha256:[0-9a-f]{64}$/.test(uses) : /@[0-9a-f]{40}$/.test(uses)
      const isOwn = /^(actions|github)\//i.test(uses)
      const ecosystem = isImage ? 'container' : isOwn ? 'github-action' : 'third-party-action'
      return [{ ecosystem, isPinned, text: uses, path: workflow.path, line }]
    })
  })
}

/** Commands in workflows, Dockerfiles and shell scripts. */
function commandsOf(input: CheckInput): Dependency[] {
  const steps = input.workflows.flatMap((workflow) =>
    workflow.kind === 'parsed'
      ? workflow.jobs.flatMap((job) =>
          job.steps.map((step) => ({ path: workflow.path, script: step.run ?? '', line: step.line - 1 })),
        )
      : [],
  )
  const scripts = [...input.texts]
    .filter(([path]) => (isShellScript(path) || isDockerfile(path)) && !isVendored(path))
    .map(([path, script]) => ({ path, script, line: 0 }))
  return [...steps, ...scripts].flatMap(({ path, script, line }) =>
    joinedLines(script).flatMap((joined) =>
      commandDependencies(joined.text).map((found) => ({ ...found, path, line: line + joined.line })),
    ),
  )
}

const MAX_LINE_CHARS = 8_192

/** Lines with their continuations; `line` counts from 1. Comments are dropped. */
function joinedLines(script: string): { text: string; line: number }[] {
  const joined: { text: string; line: number }[] = []
  let isContinued = false
  script.split('\n').forEach((text, at) => {
    const last = joined.at(-1)
    if (isContinued && last && last.text.length < MAX_LINE_CHARS)
      last.text = `${last.text.slice(0, -1)} ${text.trim()}`
    else joined.push({ text: text.trim().slice(0, MAX_LINE_CHARS), line: at + 1 })
    isContinued = text.endsWith('\\')
  })
  return joined.filter(({ text }) => !text.startsWith('#'))
}

function commandDependencies(line: string): Pick<Dependency, 'ecosystem' | 'isPinned' | 'text'>[] {
  if (
    /\b(curl|wget)\b[^|;&]*\|\s*(sudo\s+)?(ba|z|da|k)?sh\b|\b(ba|z|da|k)?sh\s+(<\(|-c\s+["']?\$\()\s*(curl|wget)\b/.test(
      line,
    )
  ) {
    return [{ ecosystem: 'download', isPinned: false, text: line }]
  }
  return line.split(/&&|\|\||;|\|/).flatMap((command) => {
    const found = commandDependency(command.trim().split(/\s+/))
    return found ? [{ ...found, text: command.trim() }] : []
  })
}

function commandDependency(words: readonly string[]): { ecosystem: Ecosystem; isPinned: boolean } | null {
  const at = words.findIndex((word) => /^(npm|pip3?|go|dotnet|nuget)$/.test(word))
  const [tool, verb = '', ...rest] = at < 0 ? [] : words.slice(at)
  switch (tool) {
    case 'npm':
      if (/^(ci|clean-install|install-ci-test|cit)$/.test(verb)) return { ecosystem: 'npm', isPinned: true }
      return /^(install|i|add|install-test|it|update)$/.test(verb)
        ? { ecosystem: 'npm', isPinned: false }
        : null
    case 'pip':
    case 'pip3':
      return verb === 'install' ? { ecosystem: 'pip', isPinned: isPinnedPip(rest) } : null
    case 'go':
      return goInstall(verb, rest)
    case 'nuget':
      return verb === 'install' ? { ecosystem: 'nuget', isPinned: /-version/i.test(rest.join(' ')) } : null
    case 'dotnet':
      if (verb !== 'add' || !rest.includes('package')) return null
      return { ecosystem: 'nuget', isPinned: rest.some((word) => word === '-v' || word === '--version') }
    default:
      return null
  }
}

/** With hashes, or from this folder alone. */
function isPinnedPip(words: readonly string[]): boolean {
  if (words.includes('--require-hashes')) return true
  const targets = words.filter((word, at) => !word.startsWith('-') && words[at - 1] !== '-r')
  const reads = words.some((word) => word === '-r' || word.startsWith('--requirement'))
  return !reads && targets.length > 0 && targets.every((word) => /^["']?(\.|\/)|\.whl$/.test(word))
}

function goInstall(
  verb: string,
  words: readonly string[],
): { ecosystem: Ecosystem; isPinned: boolean } | null {
  if (verb !== 'install' && verb !== 'get') return null
  const targets = words.filter((word) => !word.startsWith('-') && !word.startsWith('.') && word.includes('.'))
  if (targets.length === 0) return null
  return {
    ecosystem: 'go',
    isPinned: targets.every((word) => /@([0-9a-f]{7,40}|v\d+\.\d+\.\d+[\w.+-]*)$/.test(word)),
  }
}

function imagesOf(input: CheckInput): Dependency[] {
  const files = [...input.texts].filter(([path]) => isDockerfile(path) && !isVendored(path))
  return files.flatMap(([path, text]) => {
    const stages = new Set<string>(['scratch'])
    return text.split('\n').flatMap((line, at): Dependency[] => {
      const from = /^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?/i.exec(
        line.slice(0, MAX_LINE_CHARS),
      )
      const image = from?.[1]
      if (image === undefined) return []
      const isStage = stages.has(image.toLowerCase())
      if (from?.[2]) stages.add(from[2].toLowerCase())
      if (isStage || image.startsWith('$')) return []
      return [
        {
          ecosystem: 'container',
          isPinned: /@sha256:[0-9a-f]{64}$/.test(image),
          text: image,
          path,
          line: at + 1,
        },
      ]
    })
  })
}

const isDockerfile = (path: string) =>
  /^((docker|container)file(\..*)?|.*\.(docker|container)file)$/i.test(baseName(path))
const isShellScript = (path: string) => /\.(sh|bash|ksh|zsh)$/i.test(path)

/** Whether this check reads the text of the file. */
export const isReadForPinning = (path: string): boolean =>
  (isDockerfile(path) || isShellScript(path)) && !isVendored(path)

const unpinned = ({ text, path, line, ecosystem }: Dependency): RawFinding => ({
  ruleId: 'scorecard/unpinned-dependency',
  level: 'warning',
  message:
    ecosystem === 'download'
      ? 'runs what it downloads without looking at it'
      : 'a dependency that is not named by its hash',
  path,
  line,
  snippet: text,
})
