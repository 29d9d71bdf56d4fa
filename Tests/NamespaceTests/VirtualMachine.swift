import Foundation
import LocalAPI
import NamespaceKit

/// A VM of QEMU's without hardware support, on a tap that an agent made, as a hypervisor would start it.
final class VirtualMachine {
    private let process: ChildProcess
    private let folder: String

    /// What `Tests/Guest/guest traveller` has put together.
    private static func part(_ pattern: String) throws -> String {
        guard let folder = ProcessInfo.processInfo.environment["OUTRIDER_GUEST"] else {
            throw KitError.unexpected("OUTRIDER_GUEST names no folder: use './run test full'")
        }
        let found = try Command.run(["sh", "-c", "ls -d \"$1\"/\(pattern)", "sh", folder])
        guard let path = found.split(separator: "\n").first else {
            throw KitError.unexpected("no \(pattern) in \(folder)")
        }
        return String(path)
    }

    /// Boots it, or waits for its state on a socket of the folder.
    init(_ attachment: LocalAPI.Attachment, in namespace: String, folder: String, incoming: String? = nil) throws {
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let told = [
            "ipv4=\(attachment.ipv4)", "ipv6=\(attachment.ipv6)", "gateway4=\(attachment.gateway4)",
            "gateway6=\(attachment.gateway6)",
        ]
        let line = ["console=ttyS0 quiet panic=-1 no_timer_check random.trust_cpu=on"] + told
        process = try ChildProcess(
            [
                "qemu-system-x86_64", "-accel", "tcg,thread=single,tb-size=64", "-M", "pc", "-cpu", "max", "-m", "160",
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "file:\(folder)/serial",
                "-qmp", "unix:\(folder)/qmp,server=on,wait=off", "-kernel", try Self.part("kernel/boot/vmlinuz-*"),
                "-initrd", try Self.part("traveller.cpio"), "-append", line.joined(separator: " "),
                "-netdev", "tap,id=net,ifname=\(attachment.port),script=no,downscript=no,vhost=off",
                "-device", "virtio-net-pci,netdev=net,romfile=,mac=\(attachment.mac),host_mtu=\(attachment.mtu)",
            ] + (incoming.map { ["-incoming", "unix:\($0)"] } ?? []), namespace: namespace, output: folder + "/log")
    }

    deinit { process.kill() }

    /// What it wrote to its console, and what QEMU said.
    var console: String {
        ((try? String(contentsOfFile: folder + "/serial", encoding: .utf8)) ?? "") + process.outputText
    }

    /// Waits until QEMU takes commands.
    func waitUntilItListens() throws { _ = try ask("query-status") }

    private static let speaker = """
        import json, socket, sys, time
        path, command, arguments = sys.argv[1:]
        for attempt in range(200):
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(path)
                break
            except OSError:
                time.sleep(0.05)
        f = s.makefile("rw")
        f.readline()
        for c in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": json.loads(arguments)}):
            f.write(json.dumps(c) + "\\n")
            f.flush()
            answer = {}
            while "return" not in answer and "error" not in answer:
                answer = json.loads(f.readline())
        if "error" in answer: sys.exit(answer["error"]["desc"])
        print(json.dumps(answer["return"]))
        """

    private struct Answer: Decodable { var status: String? }

    /// One command of its monitor; the status that it answers with.
    @discardableResult
    func ask(_ command: String, _ arguments: [String: String] = [:]) throws -> String? {
        let json = String(decoding: try JSONEncoder().encode(arguments), as: UTF8.self)
        let answer = try Command.run(["python3", "-c", Self.speaker, folder + "/qmp", command, json])
        return try JSONDecoder().decode(Answer.self, from: Data(answer.utf8)).status
    }

    func end() { process.kill() }
}
