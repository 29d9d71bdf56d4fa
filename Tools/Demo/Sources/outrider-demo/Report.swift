import Foundation

/// Median and tail of one kind of measurement, milliseconds; nil without samples.
struct Percentiles: Encodable, Sendable {
    var p50: Double?
    var p99: Double?

    private enum CodingKeys: String, CodingKey { case p50, p99 }

    /// Nearest rank: the smallest sample that at least the share asked for does not exceed.
    init(_ samples: [Double]) {
        let sorted = samples.sorted()
        func rank(_ share: Double) -> Double? {
            guard !sorted.isEmpty else { return nil }
            let index = Int((share * Double(sorted.count)).rounded(.up)) - 1
            return (sorted[min(max(index, 0), sorted.count - 1)] * 1_000).rounded() / 1_000
        }
        p50 = rank(0.50)
        p99 = rank(0.99)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(p50, forKey: .p50)
        try container.encode(p99, forKey: .p99)
    }

    var text: String {
        func show(_ value: Double?) -> String { value.map { String(format: "%.1f", $0) } ?? "-" }
        return "p50 \(show(p50)) ms, p99 \(show(p99)) ms"
    }
}

struct ByService: Encodable, Sendable {
    var staged: Percentiles
    var cold: Percentiles
}

/// The report, with exactly the keys that readers rely on. A key without samples is null, never absent.
struct Report: Encodable, Sendable {
    struct Launches: Encodable, Sendable {
        var staged = 0
        var leased = 0
        var reserved = 0
        var cold = 0
        var total: Int { staged + leased + reserved + cold }
        private enum CodingKeys: String, CodingKey { case staged, leased, reserved, cold }
    }
    struct Tables: Encodable, Sendable {
        var routes: Int
        var nexthops: Int
        var nftElements: Int
        /// What the same VMs would need with a /32, a /128 and a nexthop each, and n² pairs per application.
        var onePerVM: Int
        private enum CodingKeys: String, CodingKey {
            case routes, nexthops
            case nftElements = "nft_elements"
            case onePerVM = "one_per_vm"
        }
    }
    struct Outage: Encodable, Sendable {
        /// Launches tried while the coordinator was dead.
        var launches = 0
        /// Those whose host had a free identifier in a lease.
        var leased = 0
        var served = 0
    }

    var launches = Launches()
    var attach = ByService(staged: Percentiles([]), cold: Percentiles([]))
    var firstReply = ByService(staged: Percentiles([]), cold: Percentiles([]))
    var peerMessagesPerStagedLaunch: Double?
    var idleIdentifiersMean: Double?
    var tables: [String: Tables] = [:]
    var lostPackets: Int?
    var lostPacketsControl: Int?
    var outage: Outage?
    var leaks: Int?
    var leftovers: Int?
    var checks: [Check] = []

    private enum CodingKeys: String, CodingKey {
        case launches, tables, outage, leaks, leftovers, checks
        case attach = "attach_ms"
        case firstReply = "first_reply_ms"
        case peerMessagesPerStagedLaunch = "peer_messages_per_staged_launch"
        case idleIdentifiersMean = "idle_identifiers_mean"
        case lostPackets = "lost_packets"
        case lostPacketsControl = "lost_packets_control"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(launches, forKey: .launches)
        try container.encode(attach, forKey: .attach)
        try container.encode(firstReply, forKey: .firstReply)
        try container.encode(peerMessagesPerStagedLaunch, forKey: .peerMessagesPerStagedLaunch)
        try container.encode(idleIdentifiersMean, forKey: .idleIdentifiersMean)
        try container.encode(tables, forKey: .tables)
        try container.encode(lostPackets, forKey: .lostPackets)
        try container.encode(lostPacketsControl, forKey: .lostPacketsControl)
        try container.encode(outage, forKey: .outage)
        try container.encode(leaks, forKey: .leaks)
        try container.encode(leftovers, forKey: .leftovers)
        try container.encode(checks, forKey: .checks)
    }

    /// Writes the JSON file, making its folder.
    func write(to path: String) throws {
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: url)
    }
}

extension Report {
    /// The same for people.
    func text(notes: [String]) -> String {
        var lines = ["", "Outrider demo report", "===================="]
        func row(_ name: String, _ value: String) {
            lines.append(name + String(repeating: " ", count: max(1, 40 - name.count)) + value)
        }
        func number<T>(_ value: T?) -> String { value.map { "\($0)" } ?? "no samples" }
        let share = launches.total == 0 ? 0 : 100 * (launches.staged + launches.leased) / launches.total
        row("launches", "\(launches.total), \(share) % from staged or leased blocks")
        row(
            "  staged / leased / reserved / cold",
            "\(launches.staged) / \(launches.leased) / \(launches.reserved) / \(launches.cold)")
        row("attach, staged", attach.staged.text)
        row("attach, cold", attach.cold.text)
        row("first reply, staged", firstReply.staged.text)
        row("first reply, cold", firstReply.cold.text)
        row("messages to peers per staged launch", number(peerMessagesPerStagedLaunch))
        row("identifiers held idle, mean", number(idleIdentifiersMean))
        for (host, table) in tables.sorted(by: { $0.key < $1.key }) {
            row(
                "tables of \(host)",
                "\(table.routes) routes, \(table.nexthops) nexthops, \(table.nftElements) nft elements"
                    + " (one per VM: \(table.onePerVM) objects)")
        }
        row("packets lost over the agent's restart", "\(number(lostPackets)), control \(number(lostPacketsControl))")
        if let outage {
            row(
                "coordinator dead",
                "\(outage.launches) launches, \(outage.leased) with a lease, \(outage.served) served")
        }
        row("leaks across applications", number(leaks))
        row("leftovers after teardown", number(leftovers))
        lines += notes
        lines.append("")
        for check in checks { lines.append("\(check.ok ? "ok  " : "FAIL") \(check.name): \(check.detail)") }
        let failed = checks.filter { !$0.ok }.count
        lines.append(failed == 0 ? "all \(checks.count) checks passed" : "\(failed) of \(checks.count) checks FAILED")
        return lines.joined(separator: "\n")
    }
}
