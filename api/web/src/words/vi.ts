// Vietnamese: the language that the others follow. Terms as the rules on digital signatures use them.
export const vi = {
  verify: {
    choose: "Chọn tài liệu",
    drop: "hoặc kéo thả vào đây",
    limit: "Mỗi tệp tối đa {size}.",
    privacy: "Tài liệu chỉ được đọc để kiểm tra, rồi bị xóa ngay.",
    key: "Khóa API",
    keyNeeded: "Cần khóa API để kiểm tra ở đây. Khóa chỉ nằm trong bộ nhớ của trang này, không được lưu lại.",
    keyOptional: "Tôi có khóa API",
    keyOptionalHelp: "Có khóa API thì kiểm tra được tệp lớn hơn. Khóa chỉ nằm trong bộ nhớ của trang này, không được lưu lại.",
    files: "Tài liệu đã chọn",
    together: "cùng với",
    waiting: "đang chờ",
    uploading: "đang gửi",
    verifying: "đang kiểm tra",
    failed: "không kiểm tra được",
    connection: "Không kết nối được với hệ thống. Hãy thử lại.",
    read: "Xem báo cáo",
    download: "Tải về",
    report: "Báo cáo",
  },
};
export type Words = typeof vi;
