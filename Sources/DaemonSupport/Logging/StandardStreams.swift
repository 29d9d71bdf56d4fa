import Glibc

// Unsafe leaf: write(2) and fstat(2) on standard error.

/// `device:inode` of standard error, the form of `JOURNAL_STREAM`.
func standardErrorIdentity() -> String? {
    var info = stat()
    guard unsafe fstat(STDERR_FILENO, &info) == 0 else { return nil }
    return "\(info.st_dev):\(info.st_ino)"
}

/// Writes all of a text to standard error. A closed or full standard error loses the line: there is nobody to tell.
func writeStandardError(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let written = unsafe rest.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { return }
        rest = rest.dropFirst(written)
    }
}

/// One line for the person who started the program.
public func printToStandardError(_ line: String) { writeStandardError(line + "\n") }
