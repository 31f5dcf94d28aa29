// Every bound of the analysis engine in one place; what hits one is reported in the analysis, never silent.

/** Newest commits that a history scan keeps. */
export const MAX_COMMITS = 200_000
/** File changes that a history scan keeps, over all its commits. */
export const MAX_CHANGES = 3_000_000
/** Distinct paths and distinct authors of a history. */
export const MAX_PATHS = 1_000_000
export const MAX_AUTHORS = 200_000
/** Files of one tree. Also what keeps a "git bomb" (a tree of trees of the same tree) from growing. */
export const MAX_TREE_FILES = 200_000
/** A blob above this size is not read; only its first bytes are looked at. */
export const MAX_BLOB_BYTES = 1_048_576
/** Bytes of content that one scan of a tree reads. */
export const MAX_CONTENT_BYTES = 268_435_456
/** Large blobs whose first bytes are looked at. */
export const MAX_LARGE_BLOBS = 256
/** git's binary test looks at this many bytes. */
export const BINARY_PROBE_BYTES = 8_000
/** Files above this size are not compared line by line (git's core.bigFileThreshold). */
export const BIG_FILE_BYTES = 262_144
/** Files whose text the checks read (workflows, Dockerfiles, scripts, policies). */
export const MAX_CHECKED_FILES = 2_000
/** Their text together. */
export const MAX_CHECKED_BYTES = 33_554_432
export const MAX_FINDINGS = 500
/** The whole document as JSON: below what the vault takes as one private value. */
export const MAX_ANALYSIS_BYTES = 1_000_000
export const MAX_HOTSPOTS = 20
export const MAX_MEMBERS = 50
export const MAX_COUPLED_PAIRS = 20
/** Distinct pairs of files counted exactly for coupling. */
export const MAX_PAIRS = 1_000_000
export const MAX_MAILMAP_LINES = 50_000
export const MAX_NAME_CHARS = 120
/** Of a failure's or notice's sentence in a record. */
export const MAX_SENTENCE_CHARS = 2_000
/** Notices kept of one analysis. */
export const MAX_NOTICES = 10
export const MAX_PATH_CHARS = 1_024
export const MAX_SNIPPET_CHARS = 200
/** Output kept of a short git command, and of any git command's complaint. */
export const MAX_ANSWER_BYTES = 65_536
export const MAX_COMPLAINT_BYTES = 4_096
/** A single header or path in git's output: longer is a broken stream. */
export const MAX_TOKEN_BYTES = 1_048_576
export const MAX_SHALLOW_BYTES = 16_777_216
/** One cache file; a repository that needs more is scanned anew each time. */
export const MAX_CACHE_FILE_BYTES = 268_435_456
/** The whole cache folder; the files written longest ago go first. */
export const MAX_CACHE_BYTES = 2_147_483_648
/** Folders walked upwards in search of a repository. */
export const MAX_FOLDER_DEPTH = 256
/** A file of a git directory that git reads whole, such as its configuration. */
export const MAX_CONTROL_FILE_BYTES = 1_048_576
/** Memory that one git process may hold of its own. */
export const GIT_MEMORY_MB = 2_048
/** Heap of one worker thread. */
export const WORKER_HEAP_MB = 256
export const MAX_POOL_SIZE = 16
/** One repository, unless the caller says otherwise. */
export const DEFAULT_TIMEOUT_MS = 600_000
/** Repositories waiting for a worker. */
export const MAX_QUEUE = 10_000
/** Between asking a worker to stop and ending it. */
export const STOP_GRACE_MS = 1_000
