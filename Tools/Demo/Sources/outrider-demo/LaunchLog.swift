import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes

/// Every launch of the days as one line of `launches.csv`, for whoever wants more than medians.
enum LaunchLog {
    static let columns = "day,application,host,sni,served_from,started_ms,attach_ms,first_reply_ms,family"

    static func write(_ records: [LaunchRecord], beside report: String) throws {
        guard let origin = records.first?.started else { return }
        let lines = records.map { record in
            [
                "\(record.day + 1)", record.application, "h\(record.host + 1)", "\(record.sni)", record.servedFrom,
                text((record.started - origin).milliseconds), text(record.attachTime),
                record.firstReplyTime.map(text) ?? "", record.family,
            ].joined(separator: ",")
        }
        let folder = URL(filePath: report).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try ([columns] + lines).joined(separator: "\n").appending("\n").write(
            to: folder.appending(path: "launches.csv"), atomically: true, encoding: .utf8)
    }

    private static func text(_ value: Double) -> String { String(format: "%.3f", value) }
}
