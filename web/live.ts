// The live page: sign in, show repositories, log and entries, and keep them current over the stream.

import { ApiError, get, signIn, signOut } from './api.ts'
import { openApprovals } from './approvals.ts'
import { byId } from './element.ts'
import { openEntries } from './entries.ts'
import { list, record, text } from './json.ts'
import { openLogPanel } from './log-panel.ts'
import { keepTimesCurrent } from './numbers.ts'
import { openProgress } from './progress.ts'
import { openRepositories } from './repositories.ts'
import { type Entry, readEntry } from './shapes.ts'
import { openSigning } from './signing.ts'
import { openStandings } from './standing-panels.ts'
import { follow } from './stream.ts'
import { tell, who } from './words.ts'

const ENTRIES_AT_START = 30
const LATEST = `/v1/log/entries?order=newest&limit=${ENTRIES_AT_START}`
/** For whom there is no stream. */
const LOOK_MS = 10_000
const FORBIDDEN = 403

type Connection = 'connecting' | 'live' | 'looking' | 'reconnecting' | 'signed-out'

const CONNECTIONS: Readonly<Record<Connection, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  looking: `Every ${LOOK_MS / 1000} s`,
  reconnecting: 'Reconnecting',
  'signed-out': 'Signed out',
}

const progress = openProgress()
const repositories = openRepositories(progress.idle, onError)
const entries = openEntries()
const logPanel = openLogPanel()
const standings = openStandings(onError)
const signing = openSigning(onError)
const approvals = openApprovals(signing, onError)
let stopFollowing: (() => void) | undefined

keepTimesCurrent()
byId('sign-out').addEventListener('click', () => void leave())
addEventListener('hashchange', () => void redeemLink())
await redeemLink()
await enter()

/** `/#signin=CODE`: the code leaves the address before anything else happens. */
async function redeemLink(): Promise<void> {
  const code = /^#signin=(.+)$/.exec(location.hash)?.[1]
  if (code === undefined) return
  history.replaceState(null, '', location.pathname)
  try {
    await signIn(code)
    showProblem('')
    if (!stopFollowing) await enter()
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status === 401
    const why = error instanceof ApiError ? text(error.message) : String(error)
    showProblem(
      isRefused
        ? 'This sign-in link is used up or too old: a link works once and for a short time.'
        : `This sign-in link could not be tried: ${why}`,
    )
  }
}

/** Shows the hub if this browser is signed in, and the way in otherwise. */
async function enter(): Promise<void> {
  if (stopFollowing || !(await isSignedIn())) return
  byId('sign-in').hidden = true
  byId('hub').hidden = false
  byId('sign-out').hidden = false
  const mayFollow = await mayReadLog()
  // Somebody may have signed in twice meanwhile.
  if (stopFollowing) return
  byId('entries').hidden = !mayFollow
  stopFollowing = mayFollow ? followLog() : lookAgain()
}

/** Who answers requests may be somebody who may not read the log. An unreachable hub is no verdict. */
async function mayReadLog(): Promise<boolean> {
  try {
    await get(LATEST)
    return true
  } catch (error) {
    return !(error instanceof ApiError && error.status === FORBIDDEN)
  }
}

function followLog(): () => void {
  return follow('/v1/events', {
    onOpen: () => {
      showConnection('live')
      void readAll()
    },
    onLost: () => showConnection('reconnecting'),
    onEvent: handle,
    onRefused: isSignedIn,
  })
}

/** Everything but the log, again and again. */
function lookAgain(): () => void {
  let isEnded = false
  const look = async () => {
    if (document.visibilityState !== 'visible') return
    try {
      const [status] = await Promise.all([get('/v1/status'), repositories.refresh()])
      // The session may have ended meanwhile.
      if (isEnded) return
      showStatus(status)
      showConnection('looking')
    } catch (error) {
      if (isEnded) return
      showConnection('reconnecting')
      onError(error)
    }
  }
  void look()
  const timer = setInterval(() => void look(), LOOK_MS)
  return () => {
    isEnded = true
    clearInterval(timer)
  }
}

/** What a stream cannot tell: the state it starts from. */
async function readAll(): Promise<void> {
  try {
    const [status, latest] = await Promise.all([get('/v1/status'), get(LATEST), repositories.refresh()])
    showStatus(status)
    entries.begin(list(record(latest).entries).map(readEntry))
  } catch (error) {
    onError(error)
  }
}

function showStatus(status: unknown): void {
  logPanel.showStatus(status)
  standings.begin(status)
  signing.begin(status)
  approvals.begin(status)
}

function handle(type: string, data: unknown): void {
  if (type === 'progress') progress.heard(data)
  else if (type === 'checkpoint') logPanel.showCheckpoint(data)
  else take([readEntry(data)])
}

function take(news: readonly Entry[]): void {
  entries.add(news)
  progress.finish(news)
  if (news.some(({ type }) => type.startsWith('mirror.'))) void repositories.refresh()
  standings.heard(news)
  signing.heard(news)
  approvals.heard(news)
  for (const entry of news) announce(entry)
}

/** Read aloud are the results people wait for, and what went wrong; the rest would only be noise. */
function announce(entry: Entry): void {
  const { tone, what, verdict, sentence } = tell(entry)
  if (tone === 'bad' || tone === 'wait') say(sentence ?? `${who(entry)} ${what}: ${verdict}`)
  else if (entry.type.startsWith('mirror.repository-')) say(`${who(entry)} ${what}`)
}

function say(news: string): void {
  byId('news').textContent = news
}

/** False shows the way in. An unreachable hub is no verdict about the session. */
async function isSignedIn(): Promise<boolean> {
  try {
    await get('/v1/status')
    return true
  } catch (error) {
    onError(error)
    return !(error instanceof ApiError && error.status === 401)
  }
}

async function leave(): Promise<void> {
  try {
    await signOut()
    showSignedOut()
  } catch (error) {
    onError(error)
  }
}

function onError(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) showSignedOut()
  else if (error instanceof ApiError) say(text(error.message))
  else throw error
}

/** Nothing of the hub stays on a page whose session has ended. */
function showSignedOut(): void {
  stopFollowing?.()
  stopFollowing = undefined
  repositories.clear()
  entries.clear()
  progress.clear()
  logPanel.clear()
  standings.clear()
  signing.clear()
  approvals.clear()
  byId('hub').hidden = true
  byId('sign-out').hidden = true
  byId('sign-in').hidden = false
  showConnection('signed-out')
}

function showProblem(problem: string): void {
  const notice = byId('sign-in-problem')
  notice.textContent = problem
  notice.hidden = problem === ''
  // The notice lies in the way in, which somebody who is signed in already does not see.
  if (problem !== '') say(problem)
}

function showConnection(connection: Connection): void {
  byId('connection').dataset.state = connection
  const shown = byId('connection-text')
  if (shown.textContent !== CONNECTIONS[connection]) shown.textContent = CONNECTIONS[connection]
}
