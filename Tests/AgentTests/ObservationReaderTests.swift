import Foundation
import LocalAPI
import Netlink
import NetworkTypes
import Testing

@testable import Agent

/// What libvirt wrote and cannot be read is told; where it wrote nothing, nothing is wrong.
@Suite struct ObservationReaderTests {
    @Test(arguments: ["nothing", "half", "folder"]) func whatCannotBeReadIsTold(what: String) throws {
        let folder = NSTemporaryDirectory() + "otr-\(UUID())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        switch what {
        case "half":
            try "<domstatus state='running'".write(toFile: folder + "/vm.xml", atomically: true, encoding: .utf8)
        case "folder": try Data().write(to: URL(filePath: folder + "/file"))
        default: break
        }
        let looked = ["nothing": folder + "/absent", "folder": folder + "/file"][what] ?? folder
        let reader = ObservationReader(
            ObservationPlan(rules: [], libvirtFolders: [looked]), host: try NamespaceSockets(path: nil))
        _ = reader.read(at: Instant(nanoseconds: 0))
        #expect(reader.source.rows == 0, "the interfaces were read")
        switch what {
        case "half": #expect(reader.source.error?.contains(folder + "/vm.xml") == true)
        case "folder": #expect(reader.source.error?.contains(looked) == true)
        default: #expect(reader.source.error == nil)
        }
    }
}
