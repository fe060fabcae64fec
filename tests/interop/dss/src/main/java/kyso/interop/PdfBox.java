package kyso.interop;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.pdfbox.Loader;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.apache.pdfbox.pdmodel.interactive.form.PDSignatureField;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.util.Store;

/**
 * What PDFBox's own example ShowSignature does: contents and byte range by PDFBox, CMS and timestamps by Bouncy Castle,
 * the path by the JDK (revocation is left to the other readers). The gap of the byte range must be the signature value.
 */
final class PdfBox implements Reader {

    private static final BouncyCastleProvider BC = new BouncyCastleProvider();
    private final Set<TrustAnchor> anchors = new HashSet<>();

    PdfBox(List<Path> files) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (Path path : files) {
            byte[] pem = Files.readAllBytes(path);
            X509Certificate root = (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(pem));
            anchors.add(new TrustAnchor(root, null));
        }
    }

    @Override
    public List<Said> read(Path document, Path evidence) throws Exception {
        byte[] file = Files.readAllBytes(document);
        List<Said> found = new ArrayList<>();
        try (PDDocument pdf = Loader.loadPDF(file)) {
            for (PDSignatureField field : pdf.getSignatureFields()) {
                PDSignature signature = field.getSignature();
                if (signature == null) {
                    continue;
                }
                String name = field.getFullyQualifiedName();
                try {
                    covers(signature, file);
                    boolean stamp = "ETSI.RFC3161".equals(signature.getSubFilter());
                    found.add(new Said(name, "good", stamp ? stamp(signature, file) : signed(signature, file)));
                } catch (Exception problem) {
                    found.add(new Said(name, "bad", String.valueOf(problem.getMessage())));
                }
            }
        }
        return found;
    }

    private String signed(PDSignature signature, byte[] file) throws Exception {
        byte[] content = signature.getSignedContent(file);
        CMSSignedData data =
                new CMSSignedData(new CMSProcessableByteArray(content), signature.getContents(file));
        if (data.getSignerInfos().size() != 1) {
            throw new IOException("not one signer");
        }
        SignerInformation signer = data.getSignerInfos().iterator().next();
        X509CertificateHolder holder = certificate(data.getCertificates(), signer);
        var verifier = new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(holder);
        if (!signer.verify(verifier)) {
            throw new IOException("the value does not verify");
        }
        bound(signer, holder);
        path(holder, data.getCertificates());
        Attribute stamp = signer.getUnsignedAttributes() == null
                ? null
                : signer.getUnsignedAttributes().get(PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
        if (stamp == null) {
            return "signature";
        }
        var token = new TimeStampToken(new CMSSignedData(stamp.getAttributeValues()[0].toASN1Primitive().getEncoded()));
        proven(token, signer.getSignature());
        return "signature and timestamp";
    }

    private String stamp(PDSignature signature, byte[] file) throws Exception {
        proven(new TimeStampToken(new CMSSignedData(signature.getContents(file))), signature.getSignedContent(file));
        return "document timestamp";
    }

    private void proven(TimeStampToken token, byte[] data) throws Exception {
        String algorithm = token.getTimeStampInfo().getHashAlgorithm().getAlgorithm().getId();
        byte[] digest = MessageDigest.getInstance(algorithm, BC).digest(data);
        if (!Arrays.equals(digest, token.getTimeStampInfo().getMessageImprintDigest())) {
            throw new IOException("the timestamp is about something else");
        }
        @SuppressWarnings("unchecked")
        var found = (List<X509CertificateHolder>) List.copyOf(token.getCertificates().getMatches(token.getSID()));
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(found.get(0)));
        path(found.get(0), token.getCertificates());
    }

    /** The signing-certificate-v2 attribute (RFC 5035) names the certificate. */
    private static void bound(SignerInformation signer, X509CertificateHolder holder) throws Exception {
        Attribute attribute = signer.getSignedAttributes().get(PKCSObjectIdentifiers.id_aa_signingCertificateV2);
        if (attribute == null) {
            throw new IOException("no signing-certificate-v2");
        }
        ESSCertIDv2 id = SigningCertificateV2.getInstance(attribute.getAttributeValues()[0]).getCerts()[0];
        String algorithm = id.getHashAlgorithm().getAlgorithm().getId();
        byte[] digest = MessageDigest.getInstance(algorithm, BC).digest(holder.getEncoded());
        if (!Arrays.equals(digest, id.getCertHash())) {
            throw new IOException("signing-certificate-v2 names another certificate");
        }
    }

    private static X509CertificateHolder certificate(Store<X509CertificateHolder> store, SignerInformation signer)
            throws IOException {
        @SuppressWarnings("unchecked")
        var found = (List<X509CertificateHolder>) List.copyOf(store.getMatches(signer.getSID()));
        if (found.isEmpty()) {
            throw new IOException("the signer's certificate is not embedded");
        }
        return found.get(0);
    }

    private void path(X509CertificateHolder holder, Store<X509CertificateHolder> store) throws Exception {
        var converter = new JcaX509CertificateConverter();
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(converter.getCertificate(holder));
        List<X509Certificate> known = new ArrayList<>();
        for (X509CertificateHolder one : store.getMatches(null)) {
            known.add(converter.getCertificate(one));
        }
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, target);
        parameters.setRevocationEnabled(false);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known)));
        CertPathBuilder.getInstance("PKIX").build(parameters);
    }

    /** The gap of the byte range is the value and nothing else. */
    private static void covers(PDSignature signature, byte[] file) throws IOException {
        int[] range = signature.getByteRange();
        int begin = range[0] + range[1];
        int end = range[2];
        if (range[0] != 0 || file[begin] != '<' || file[end - 1] != '>' || end + range[3] > file.length) {
            throw new IOException("the byte range leaves out more than the value");
        }
    }
}
