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
    /// What came after ``entries`` is lost; ``replaced(runningPorts:logger:)`` comes before anything is written.
    var damage: JournalDamage?

    /// Opens the journal, or makes one. A journal of another machine (a cloned or moved disk) is set aside, not used:
    /// its bindings are that machine's.
    static func open(directory: String, fingerprint: String, boot: BootID, logger: Logger) throws -> AgentJournal {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let path = path(in: directory)
        var random = SystemRandomNumberGenerator()
        let fresh = JournalIdentity(incarnation: Incarnation(.random(using: &random)), fingerprint: fingerprint)
        let (journal, contents) = try Journal.open(path: path, identity: fresh) { lines in
            JournalEntry.lastBoot(in: (try? entries(lines)) ?? []) == boot
        }
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
        return AgentJournal(
            journal: journal, identity: contents.identity, entries: try entries(contents.lines),
            isNew: !contents.existed, damage: contents.damage)
    }

    static func path(in directory: String) -> String { "\(directory)/journal" }

    /// Damaged journals that were set aside, until somebody removes them.
    static func asides(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { $0.hasPrefix("journal.damaged-") }.sorted().map { "\(directory)/\($0)" }
    }

    private static func entries(_ lines: [JournalLine]) throws -> [JournalEntry] {
        try lines.map {
            JournalEntry(sequence: $0.sequence, record: try JournalRecord(decoding: $0.payload))
        }
    }

    /// The same with a journal that says what is left of a damaged one, durably; itself when nothing is damaged.
    func replaced(runningPorts ports: [AdoptedPort], logger: Logger) async throws -> AgentJournal {
        guard let damage else { return self }
        let salvaged = Checkpoint.salvaged(from: entries, kernelPorts: ports)
        let kept = "\(entries.count) records before that are good, of which \(salvaged.bindings.count) promises stay"
        logger.error("the journal is damaged \(damage); \(kept)")
        var sound = self
        let record = JournalRecord.checkpoint(salvaged)
        let sequence = try await journal.rotate(snapshot: record.encoded())
        sound.entries = [JournalEntry(sequence: sequence, record: record)]
        sound.damage = nil
        return sound
    }
}

/// The journal found was another machine's and has been moved; open again.
struct ForeignJournal: Error { let path: String }
