import ControlAPI
import DaemonSupport
import Foundation
import SwiftProtobuf

/// A sharding document in a file.
enum ShardingDocument {
    /// - Throws: `ControlFailure` when the file cannot be read or is no document.
    static func read(_ path: String) throws(ControlFailure) -> Outrider_V1_ShardingConfiguration {
        let data: Data
        do {
            data =
                try path == "-"
                ? FileHandle.standardInput.readToEnd() ?? Data() : Data(contentsOf: URL(filePath: path))
        } catch {
            throw ControlFailure(.usage, "cannot read '\(path)': \(error.localizedDescription)")
        }
        return try parse(data, path)
    }

    /// Keys that this program does not know are an error, unless the document says that it is newer: then the
    /// coordinator has the word, which may be newer, too.
    static func parse(_ data: Data, _ path: String) throws(ControlFailure) -> Outrider_V1_ShardingConfiguration {
        var lenient = JSONDecodingOptions()
        lenient.ignoreUnknownFields = true
        do {
            let document = try Outrider_V1_ShardingConfiguration(jsonUTF8Data: data, options: lenient)
            guard document.format <= formatMax else { return document }
            return try Outrider_V1_ShardingConfiguration(jsonUTF8Data: data)
        } catch {
            throw ControlFailure(
                .usage,
                "'\(path)' is no sharding document (\(error)): write one with 'outriderctl sharding show -o json'")
        }
    }

    /// The highest format whose keys this program knows.
    private static let formatMax: UInt32 = 1
}
