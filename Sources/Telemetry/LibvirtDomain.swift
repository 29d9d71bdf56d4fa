public import NetworkTypes

/// A running domain of libvirt, as its runtime file tells (`/run/libvirt/qemu/NAME.xml`: `domstatus` around `domain`,
/// https://libvirt.org/formatdomain.html).
public struct LibvirtDomain: Hashable, Sendable {
    /// Namespace of the metadata element that names the application:
    ///
    ///     virsh metadata DOMAIN --uri urn:outrider:application --key outrider --set '<application>UUID</application>'
    public static let metadataNamespace = "urn:outrider:application"

    public var uuid: UUID128
    public var name: String
    /// Names of its interfaces on the host.
    public var interfaces: [String]
    /// Of the hypervisor.
    public var process: Int32?
    public var application: ApplicationID?
    public init(
        uuid: UUID128, name: String, interfaces: [String], process: Int32? = nil, application: ApplicationID? = nil
    ) {
        self.uuid = uuid
        self.name = name
        self.interfaces = interfaces
        self.process = process
        self.application = application
    }

    /// Nil when the text is no runtime file of a domain, or is cut off.
    public init?(runtimeFile bytes: [UInt8]) {
        var reader = XMLReader(bytes)
        var (uuid, name): (UUID128?, String?) = (nil, nil)
        self.init(uuid: UUID128(high: 0, low: 0), name: "", interfaces: [])
        while let event = reader.next() {
            switch event {
            case .begin(let element):
                let path = reader.path
                if path == ["domstatus"] {
                    process = element.attributes["pid"].flatMap { Int32($0) }.flatMap { $0 > 0 ? $0 : nil }
                } else if path == Self.domain + ["devices", "interface", "target"] {
                    if let device = element.attributes["dev"], (1...15).contains(device.utf8.count) {
                        interfaces.append(device)
                    }
                }
            case .text(let text, let attributes):
                let path = reader.path
                if path == Self.domain + ["uuid"] {
                    uuid = UUID128(text)
                } else if path == Self.domain + ["name"] {
                    name = text
                } else if path.count == 4, path.starts(with: Self.domain + ["metadata"]) {
                    application = application ?? Self.application(of: path[3], attributes, text)
                }
            case .end: break
            }
        }
        guard reader.isComplete, let uuid, let name else { return nil }
        self.uuid = uuid
        self.name = name
    }

    private static let domain = ["domstatus", "domain"]

    /// libvirt keeps one element per namespace, which declares it itself.
    private static func application(
        of element: String, _ attributes: [String: String], _ text: String
    ) -> ApplicationID? {
        let parts = element.split(separator: ":")
        guard parts.last == "application" else { return nil }
        let declaration = parts.count == 2 ? "xmlns:\(parts[0])" : "xmlns"
        return attributes[declaration] == metadataNamespace ? ApplicationID(text) : nil
    }
}
