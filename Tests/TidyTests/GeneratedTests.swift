import Foundation
import Testing

@Suite struct GeneratedTests {
    private struct Digest {
        let path: String
        let sum: String
    }

    private func listed() throws -> [Digest] {
        try Repository.text("Protos/SHA256SUMS").split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            try #require(parts.count == 2, "malformed line: \(line)")
            return Digest(path: parts[1].trimmingCharacters(in: .whitespaces), sum: parts[0])
        }
    }

    @Test func everyProtoAndOutputIsListed() throws {
        let files =
            Repository.files(in: ["Protos"], extensions: ["proto"])
            + Repository.files(in: ["Sources/ControlAPI"], extensions: ["swift"])
        #expect(try listed().map(\.path).sorted() == files.sorted(), "run ./run protos")
    }

    /// A proto changed without its output, or an output changed by hand.
    @Test func nothingChangedSinceGeneration() throws {
        let entries = try listed()
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["sha256sum", "--"] + entries.map(\.path)
        process.currentDirectoryURL = Repository.root
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try #require(try output.fileHandleForReading.readToEnd())
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let actual = String(decoding: data, as: UTF8.self).split(separator: "\n").map { String($0.prefix(64)) }
        try #require(actual.count == entries.count)
        for (entry, sum) in zip(entries, actual) {
            #expect(entry.sum == sum, "\(entry.path) is not what ./run protos wrote: run it and commit the result")
        }
    }
}
