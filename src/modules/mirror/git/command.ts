// Runs one git command on bytes that nobody vouches for: no shell, a bare environment, killed on abort.

import { type ChildProcess, spawn } from 'node:child_process'
import { asPolityError, PolityError } from '../../../kernel/errors.ts'
import { GIT_MEMORY_MB, MAX_ANSWER_BYTES, MAX_COMPLAINT_BYTES } from '../limits.ts'
import { displayText } from './display.ts'
import { watchMemory } from './memory-watch.ts'

/** What the rooms of one analysis share. */
export interface Session {
  readonly signal: AbortSignal
  /** Told, in a sentence, of trouble that does not change the result. */
  readonly onNotice?: (notice: string) => void
  /** Told of every process that starts and ends, so that an owner can end what a dead thread left behind. */
  readonly onProcess?: (pid: number, isAlive: boolean) => void
}

export interface GitCommand {
  readonly args: readonly string[]
  readonly cwd: string
  /** Added to the bare environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Written to stdin, which is then closed. */
  readonly input?: string | Buffer
  /** Called with each chunk of stdout; false means enough was seen, and git is ended. */
  readonly onData: (chunk: Buffer) => boolean
}

export interface GitExit {
  /** Null when a signal ended it. */
  readonly code: number | null
  /** True when `onData` asked to stop. */
  readonly stopped: boolean
  /** First bytes of stderr, printable. */
  readonly complaint: string
}

/**
 * Settings that win over every configuration file. `GIT_ALLOW_PROTOCOL` beats any `protocol.*.allow` of a
 * repository, so no transport and no remote helper can start even where git would fetch a missing object.
 */
const BARE_ENVIRONMENT = {
  LC_ALL: 'C',
  TZ: 'UTC',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_NO_LAZY_FETCH: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_PROTOCOL_FROM_USER: '0',
  GIT_ASKPASS: '/bin/false',
  SSH_ASKPASS: '/bin/false',
  GIT_SSH_COMMAND: '/bin/false',
  GIT_PAGER: 'cat',
}

/** The same on the command line, for keys that the environment cannot set. */
const DISARMED = [
  ['core.fsmonitor', 'false'],
  ['core.hooksPath', '/dev/null'],
  ['core.pager', 'cat'],
  ['core.sshCommand', '/bin/false'],
  ['core.gitProxy', ''],
  ['core.askPass', '/bin/false'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['core.untrackedCache', 'false'],
  ['protocol.allow', 'never'],
  ['diff.external', ''],
  ['gpg.program', '/bin/false'],
  ['log.showSignature', 'false'],
  ['credential.helper', ''],
].flatMap(([key, value]) => ['-c', `${key}=${value}`])

/**
 * Runs git to its end.
 * @throws PolityError `mirror.git-missing` (git is not installed), `mirror.git-failed` (it could not start),
 *   `limit` (it took more than `GIT_MEMORY_MB`); the session's own reason when it was aborted
 */
export function runGit(session: Session, command: GitCommand): Promise<GitExit> {
  return new Promise((resolve, reject) => {
    if (session.signal.aborted) return reject(session.signal.reason)
    const child = start(command)
    const complaint: Buffer[] = []
    let complaintBytes = 0
    let stopped = false
    let failure: unknown
    const kill = () => child.kill('SIGKILL')
    session.signal.addEventListener('abort', kill, { once: true })
    if (child.pid !== undefined) session.onProcess?.(child.pid, true)
    const endWatch = watchMemory(child.pid ?? 0, GIT_MEMORY_MB, () => {
      failure ??= tooMuchMemory()
      kill()
    })
    child.stdout?.on('data', (chunk: Buffer) => {
      if (stopped || failure !== undefined) return
      try {
        if (command.onData(chunk)) return
        stopped = true
      } catch (error) {
        failure = error
      }
      kill()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      if (complaintBytes < MAX_COMPLAINT_BYTES) complaint.push(chunk)
      complaintBytes += chunk.length
    })
    child.on('error', (error) => {
      failure ??= startFailure(error)
    })
    child.on('close', (code) => {
      session.signal.removeEventListener('abort', kill)
      endWatch()
      if (child.pid !== undefined) session.onProcess?.(child.pid, false)
      if (session.signal.aborted) return reject(session.signal.reason)
      if (failure !== undefined) return reject(failure)
      const text = Buffer.concat(complaint).subarray(0, MAX_COMPLAINT_BYTES)
      resolve({ code, stopped, complaint: displayText(text.toString('latin1').trim(), MAX_COMPLAINT_BYTES) })
    })
  })
}

/** Runs a command whose answer is short, and returns its stdout. */
export async function askGit(
  session: Session,
  command: Omit<GitCommand, 'onData'>,
): Promise<GitExit & { readonly answer: Buffer }> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  const exit = await runGit(session, {
    ...command,
    onData: (chunk) => {
      chunks.push(chunk)
      sizeBytes += chunk.length
      return sizeBytes <= MAX_ANSWER_BYTES
    },
  })
  return { ...exit, answer: Buffer.concat(chunks) }
}

/** The error for a command that ended badly. */
export function gitFailed(what: string, exit: GitExit): PolityError {
  const how = exit.code === null ? 'was killed' : `ended with ${exit.code}`
  return new PolityError('mirror.git-failed', `git could not ${what}: it ${how}`, {
    complaint: exit.complaint,
  })
}

function start(command: GitCommand): ChildProcess {
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', ...BARE_ENVIRONMENT, ...command.env }
  const stdin = command.input === undefined ? 'ignore' : 'pipe'
  const child = spawn('git', ['--no-pager', ...DISARMED, ...command.args], {
    cwd: command.cwd,
    env,
    stdio: [stdin, 'pipe', 'pipe'],
    windowsHide: true,
  })
  // A git that ended early closes its stdin; its exit code says why, so EPIPE itself is no news.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(command.input)
  return child
}

const tooMuchMemory = () =>
  new PolityError('limit', `git needs more than ${GIT_MEMORY_MB} MB for this repository`, {
    limitMB: GIT_MEMORY_MB,
  })

function startFailure(error: NodeJS.ErrnoException): PolityError {
  if (error.code === 'ENOENT')
    return new PolityError('mirror.git-missing', 'git is not installed or not on PATH')
  return asPolityError(error, 'mirror.git-failed')
}
