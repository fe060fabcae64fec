package kyso.interop;

import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.enumerations.Indication;
import eu.europa.esig.dss.enumerations.TimestampType;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.revocation.ocsp.ExternalResourcesOCSPSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * EU DSS with its default policy. It may ask nobody: evidence is in the document, or in the folder it is given; so are
 * detached contents of XML signatures, in `detached` under that folder, by their names.
 */
final class Dss implements Reader {

    private static final String DETACHED = "detached";

    private final CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();

    Dss(List<Path> anchors) {
        anchors.forEach(path -> trusted.addCertificate(DSSUtils.loadCertificate(path.toFile())));
    }

    @Override
    public List<Said> read(Path document, Path evidence) throws IOException {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true); // no sources, so no network
        verifier.setTrustedCertSources(trusted);
        if (evidence != null) {
            verifier.setOcspSource(new ExternalResourcesOCSPSource(files(evidence, ".ocsp")));
            verifier.setCrlSource(new ExternalResourcesCRLSource(files(evidence, ".crl")));
        }
        verifier.setCheckRevocationForUntrustedChains(true);
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(document.toFile()));
        validator.setCertificateVerifier(verifier);
        if (evidence != null && Files.isDirectory(evidence.resolve(DETACHED))) {
            validator.setDetachedContents(List.of(files(evidence.resolve(DETACHED), "")));
        }
        Reports reports = validator.validateDocument();
        SimpleReport report = reports.getSimpleReport();
        DiagnosticData data = reports.getDiagnosticData();
        List<Said> found = new ArrayList<>();
        for (String id : report.getSignatureIdList()) {
            String level = String.valueOf(report.getSignatureFormat(id)).replaceAll("[PX]AdES-BASELINE-", "B-");
            String field = data.getSignatureById(id).getFirstFieldName();
            if (data.getSignatureById(id).getParent() != null) {
                field = "counter-signature " + data.getSignatureById(id).getDAIdentifier();
            }
            found.add(said(report, id, field == null ? id : field, level));
        }
        for (TimestampWrapper stamp : data.getTimestampList()) {
            if (stamp.getType() == TimestampType.DOCUMENT_TIMESTAMP) {
                found.add(said(report, stamp.getId(), "document timestamp", "timestamp"));
            } else if (data.getSignatures().stream().allMatch(one -> one.getFirstFieldName() == null)) {
                found.add(attached(report, stamp));
            }
        }
        return found;
    }

    /** A timestamp inside an XML signature: what it is about must be found, and be what it says. */
    private static Said attached(SimpleReport report, TimestampWrapper stamp) {
        Said said = said(report, stamp.getId(), String.valueOf(stamp.getType()), "timestamp");
        if (stamp.isMessageImprintDataFound() && stamp.isMessageImprintDataIntact() && stamp.isSignatureIntact()) {
            return said;
        }
        String words = "imprint " + (stamp.isMessageImprintDataFound() ? "differs " : "not found ") + said.words();
        return new Said(said.id(), "bad", words);
    }

    private static Said said(SimpleReport report, String id, String name, String level) {
        Indication indication = report.getIndication(id);
        boolean good = indication == Indication.TOTAL_PASSED || indication == Indication.PASSED;
        boolean bad = indication == Indication.TOTAL_FAILED || indication == Indication.FAILED;
        String words = level + " " + indication;
        if (report.getSubIndication(id) != null) {
            words += "/" + report.getSubIndication(id);
        }
        words += told(" errors: ", report.getAdESValidationErrors(id));
        words += told(" warnings: ", report.getAdESValidationWarnings(id));
        return new Said(name, good ? "good" : bad ? "bad" : "unsure", words);
    }

    private static String told(String head, List<Message> messages) {
        if (messages.isEmpty()) {
            return "";
        }
        return head + messages.stream().map(Message::getValue).distinct().collect(Collectors.joining("; "));
    }

    static DSSDocument[] files(Path folder, String suffix) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(path -> path.toString().endsWith(suffix))
                    .sorted()
                    .map(path -> (DSSDocument) new FileDocument(path.toFile()))
                    .toArray(DSSDocument[]::new);
        }
    }
}
