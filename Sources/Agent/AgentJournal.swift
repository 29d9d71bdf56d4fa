import AgentCore
import FoundationEssentials
import Journal
import Logging
import NetworkTypes

/// The journal of one installation, opened and read.
struct AgentJournal {
    var journal: Journal
    var identity: JournalIdentity
    var entries: [JournalEntry]
    /// Nothing of it can be trusted for what runs now: it was made just now, or on another machine.
    var isNew: Bool

    /// Opens the journal, or makes one. A journal of another machine (a cloned or moved disk) is set aside, not used:
    /// its bindings are that machine's.
    static func open(directory: String, fingerprint: String, logger: Logger) throws -> AgentJournal {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let path = "\(directory)/journal"
        var random = SystemRandomNumberGenerator()
        let fresh = JournalIdentity(incarnation: Incarnation(.random(using: &random)), fingerprint: fingerprint)
        let (journal, contents) = try Journal.open(path: path, identity: fresh)
        if contents.existed, contents.identity.fingerprint != fingerprint {
            logger.error("the journal was made on another machine; it is set aside, and this host joins anew")
            let aside = "\(path).foreign-\(contents.identity.incarnation)"
            try FileManager.default.moveItem(atPath: path, toPath: aside)
            // The lock is on a file of its own, which stays.
            throw ForeignJournal(path: aside)
        }
        if contents.truncatedBytes > 0, contents.existed {
            logger.notice("cut a torn write of \(contents.truncatedBytes) bytes from the journal's end")
        }
        var entries: [JournalEntry] = []
        for line in contents.lines {
            entries.append(
                JournalEntry(sequence: line.sequence, record: try JournalRecord(decoding: line.payload)))
        }
        return AgentJournal(
            journal: journal, identity: contents.identity, entries: entries, isNew: !contents.existed)
    }
}

/// The journal found was another machine's and has been moved; open again.
struct ForeignJournal: Error { let path: String }
